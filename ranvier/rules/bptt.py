"""Back-propagation through time with surrogate gradients. Source: Neftci, Mostafa and Zenke 2019, IEEE SPM 36:51."""

import torch
from torch import Tensor, nn

from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.nn.stateful import run
from ranvier.rules.checks import require_gradient, require_scalar
from ranvier.rules.stepwise import detached


class BPTT(Rule):
    """Back-propagation through time.

    dL/dw = sum_t dL/do[t] do[t]/dw along every path through the unrolled network, where dS/dv is the neuron's surrogate
    (eq. 8 of the source). Exact for everything but the spikes; memory grows with the number of time steps.

    Args: horizon: every so many steps all states are cut from the graph, so that no gradient flows further back in
        time; the spikes stay the same. None: never. 1 is learning in space alone. A batch norm that folds time into the
        batch sees the steps of each piece apart.
    """

    horizon: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "horizon", self.horizon is None or self.horizon >= 1, "at least 1 step, or None")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient of the loss to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter.
        """
        outputs = net(inputs) if self.horizon is None else _in_pieces(net, inputs, self.horizon)
        value = require_gradient("BPTT", require_scalar("BPTT", loss(outputs, targets)))
        (value * scale).backward()  # type: ignore[no-untyped-call] # torch's backward is untyped
        return Evaluation(loss=value.detach(), outputs=outputs.detach())


def _in_pieces(net: nn.Module, inputs_TB: Tensor, horizon: int) -> Tensor:
    state, outputs = None, []
    for piece_TB in torch.split(inputs_TB, horizon):
        output_TB, state = run(net, piece_TB, state)
        outputs.append(output_TB)
        state = detached(state)
    return torch.cat(outputs)
