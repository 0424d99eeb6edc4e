"""Back-propagation through time with surrogate gradients. Source: Neftci, Mostafa and Zenke 2019, IEEE SPM 36:51."""

from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.rule import Evaluation, Loss, Rule


class BPTT(Rule):
    """Back-propagation through time.

    dL/dw = sum_t dL/do[t] do[t]/dw along every path through the unrolled network, where dS/dv is the neuron's surrogate
    (eq. 8 of the source). Exact for everything but the spikes; memory grows with the number of time steps.
    """

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient of the loss to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter.
        """
        outputs = net(inputs)
        value = loss(outputs, targets)
        if value.ndim:
            raise ShapeError("BPTT", expected="a loss that is a scalar", got=f"shape {tuple(value.shape)}")
        if not value.requires_grad:
            raise ConfigError(
                "BPTT",
                expected="a loss that depends on a parameter of the network",
                got="one without gradient",
                mend="Give the network a parameter with requires_grad=True, and detach nothing on the way to the loss.",
            )
        (value * scale).backward()  # type: ignore[no-untyped-call] # torch's backward is untyped
        return Evaluation(loss=value.detach(), outputs=outputs.detach())
