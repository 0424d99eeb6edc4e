"""A layer of neurons that another layer drives a step at a time. Axes: T time, B batch."""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.steps import Steps
from ranvier.nn.learned import check_broadcast, live
from ranvier.nn.observe import observer
from ranvier.nn.spiking import Spiking


class Stepping:
    """Runs a ``Spiking`` layer in the loop of the layer that holds it; whoever observes sees the whole sequence.

    Args: layer: its neurons. like_B: a current (B, ...) as they will come.
    Raises: ShapeError.
    """

    def __init__(self, layer: Spiking, like_B: Tensor) -> None:
        values = live(layer, layer.plan.learned)
        check_broadcast(layer.title(), values, like_B.unsqueeze(0))
        self._layer, self._watching = layer, observer()
        plan = layer.plan if self._watching is None else self._watching.plan(layer, layer.plan)
        self._steps = Steps(plan, like_B, params=values, executor=layer.executor)
        self._seen: list[dict[str, Tensor]] = []

    def __call__(self, current_B: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run one step; returns the spikes (B, ...) and the new State."""
        outputs, state = self._steps(current_B, state)
        if self._watching is not None:
            self._seen.append({name: value.detach() for name, value in outputs.items()})
        return outputs["spikes"], state

    def finish(self) -> None:
        """Tell whoever observes what the layer did in all steps."""
        if self._watching is not None and self._seen:
            names = self._seen[0]
            self._watching.see(self._layer, {name: torch.stack([seen[name] for seen in self._seen]) for name in names})
