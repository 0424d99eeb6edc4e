"""OTTT: online training through time. Source: Xiao, Meng, Zhang, He and Lin 2022, NeurIPS, arXiv:2210.04195."""

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.rules.checks import require_gradient
from ranvier.rules.stepwise import Notes, step_loss, steps
from ranvier.rules.traced import Traces


class OTTT(Rule):
    """Online training through time: the errors of each step, times traces of what came in before.

    dL/dW = sum_t delta[t] a[t]^T,   a[t] = leak a[t-1] + s_in[t],

    where delta[t] is back-propagated through the step alone, as in SLTT, and the trace remembers, for each weight, what
    the membranes it drives still hold of earlier inputs. Memory does not grow with time. For one layer of neurons this
    is BPTT with the reset cut from the graph; for more, the errors that come back through a later layer's membranes are
    left out.

    For linear and convolutional layers (also weight-standardised ones) that drive LIF, IF, PLIF or LeakyIntegrator
    layers: a layer belongs to the neurons that run next after it, and takes their leak. Layers that drive none, such as
    a plain read-out, learn from their input of the step. A bias is the weight of an input that is always 1. Gains of
    norms between a layer and its neurons learn from the step alone; the paper has no batch norm but weight-standardised
    convolutions (``nn.WSConv2d``). The loss is that of the steps, see ``ranvier.rules.stepwise``.

    Args:
        update: "batch", one update for all steps (OTTT_A); "step", one after each (OTTT_O), so T updates a batch.
            ``accumulate`` alone never moves a weight, so by itself it gives the sum.
        trace_input: whether layers before the first neurons, which hear the input itself, learn from its trace too; in
            the paper's networks they hear images and do not.
    """

    update: Literal["batch", "step"] = "batch"
    trace_input: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "update", self.update in ("batch", "step"), '"batch" or "step"')

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter, for recurrent layers and
            neurons without a constant leak.
        """
        *_, seen = self._each_step(net, inputs, targets, loss, scale)
        assert seen is not None  # a sequence has at least one step
        return seen

    def updates(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Iterator[Evaluation | None]:
        """Pause after each step or after the batch; see ``Rule.updates``."""
        if self.update == "step":
            return self._each_step(net, inputs, targets, loss, scale)
        return super().updates(net, inputs, targets, loss, scale=scale)

    def _each_step(
        self, net: nn.Module, inputs_TB: Tensor, targets_B: Tensor, loss: Loss, scale: float
    ) -> Iterator[Evaluation | None]:
        notes, traces = Notes(), Traces("OTTT", of_input=self.trace_input)
        outputs, num_steps = steps(net, inputs_TB), len(inputs_TB)
        for t in range(num_steps):
            with traces.follow(net):
                output_1BK = next(outputs)
            traces.next_step()
            value = require_gradient("OTTT", step_loss("OTTT", loss, output_1BK, targets_B, num_steps))
            notes.add(output_1BK, value)
            (value * scale).backward()  # type: ignore[no-untyped-call] # torch's backward is untyped
            yield notes.evaluation() if t == num_steps - 1 else None
