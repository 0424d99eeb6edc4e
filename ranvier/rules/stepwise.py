"""What rules that learn online share: the network one step at a time, and a loss for every step.

A loss of the trainer judges a whole sequence of outputs, (T, B, K). An online rule must judge a step before it has seen
the next. It takes the same loss of a sequence of one step,

    L = (1/T) sum_t loss(o[t : t+1], y).

That is the loss itself where it is a mean over steps (``TET``, whose mix of cross-entropy and squared error is that of
SLTT and OTTT). Where it is a function of the mean output (``RateCrossEntropy``, ``CountMSE``) every step is asked to be
right by itself; as these are convex in the output, L is never below the loss of the mean. Losses of spike times make no
sense of one step. Letters: T time, B batch, K classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.rule import Evaluation, Loss
from ranvier.nn.stateful import run
from ranvier.rules.checks import require_scalar

State = Mapping[str, Any]


def steps(net: nn.Module, inputs_TB: Tensor) -> Iterator[Tensor]:
    """Run a network from rest one step at a time, and yield its outputs (1, B, K), each with the graph of its step.

    The state that is carried on is cut from the graph, so what a caller back-propagates ends at the step's beginning.
    """
    state: State | None = None
    for input_1B in torch.split(inputs_TB, 1):
        output_1BK, state = run(net, input_1B, state)
        state = detached(state)
        yield output_1BK


def detached(state: State) -> dict[str, Any]:
    """Cut a state from the graph."""
    return {path: type(own)(*(value.detach() for value in own)) for path, own in state.items()}


def step_loss(rule: str, loss: Loss, output_1BK: Tensor, targets_B: Tensor, num_steps: int) -> Tensor:
    """Compute a step's part of L: loss(o[t : t+1], y) / T. Raises: ShapeError if the loss is no scalar."""
    return require_scalar(rule, loss(output_1BK, targets_B)) / num_steps


class Notes:
    """What a rule saw so far of a batch, without graph."""

    def __init__(self) -> None:
        self._outputs: list[Tensor] = []
        self._losses: list[Tensor] = []

    def add(self, output_1BK: Tensor, value: Tensor) -> None:
        """Note the output and the part of the loss of a step."""
        self._outputs.append(output_1BK.detach())
        self._losses.append(value.detach())

    def evaluation(self) -> Evaluation:
        """Return the sum of the losses and all outputs (T, B, K)."""
        return Evaluation(loss=torch.stack(self._losses).sum(), outputs=torch.cat(self._outputs))
