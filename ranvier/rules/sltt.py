"""SLTT: spatial learning through time. Source: Meng et al. 2023, ICCV, arXiv:2302.14311."""

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.rules.checks import require_gradient
from ranvier.rules.stepwise import Notes, step_loss, steps


class SLTT(Rule):
    """Spatial learning through time: back-propagation at every step by itself, in memory that does not grow with time.

    dL/dW = sum_t dL[t]/ds[t] (product of W h(u[t]) down to the layer) s_in[t]^T: whatever a state brings from the step
    before counts as a constant, and each step is back-propagated as soon as it is run (eq. 8 of the source). For any
    network that can be run step by step; a batch norm takes its statistics of each step apart. SLTT-K back-propagates
    only K steps of each batch, drawn anew, and runs the others forward (running statistics see all of them).

    The loss is that of the steps, L = (1/T) sum_t loss(o[t], y); see ``ranvier.rules.stepwise``. The paper's is
    ``TET(lam=0.05)``. The gradient is that of ``BPTT(horizon=1)`` of L; with neurons that forget all from a step to the
    next it is that of BPTT.

    Args:
        num_backward: K; None: every step. Which ones is drawn from torch's own generator, as ``nn.Dropout`` draws; the
            trainer seeds it for each of its steps.
        rescale: whether the gradient of SLTT-K is multiplied by T / K, so that its expectation is that of all steps.
            The authors' release does not.
    """

    num_backward: int | None = None
    rescale: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        ok = self.num_backward is None or self.num_backward >= 1
        require(self, "num_backward", ok, "at least 1 step, or None")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter, or for K > T.
        """
        num_steps = len(inputs)
        chosen_T = self._choose(num_steps)
        if self.rescale:
            scale = scale * num_steps / sum(chosen_T)
        notes, outputs = Notes(), steps(net, inputs)
        for learns in chosen_T:
            with torch.set_grad_enabled(learns):
                output_1BK = next(outputs)
                value = step_loss("SLTT", loss, output_1BK, targets, num_steps)
            notes.add(output_1BK, value)
            if learns:
                (require_gradient("SLTT", value) * scale).backward()  # type: ignore[no-untyped-call] # as in BPTT
        return notes.evaluation()

    def _choose(self, num_steps: int) -> list[bool]:
        """Draw the steps that are back-propagated."""
        if self.num_backward is None:
            return [True] * num_steps
        if self.num_backward > num_steps:
            got = f"{self.num_backward} of {num_steps}"
            raise ConfigError("SLTT.num_backward", expected="at most as many as the input has steps", got=got)
        places = torch.randperm(num_steps)  # on the CPU, whatever the device
        return (places < self.num_backward).tolist()
