"""A trained L2MU network as on a small device: event-driven, with small weights. T time, B batch, C channels."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.kernels.sparse.weights import Precision
from ranvier.nn import L2MU, Sequential
from ranvier.nn.inference import EventL2MU, compile_for_inference
from ranvier.nn.inference.populations import stream_bytes


class Edge:
    """A network of populations around an ``L2MU``, and the state it is in: ``answers_BK = edge(samples_BC)``.

    Args: net: what ``l2mu.build`` makes, trained; its unit is called "unit". weights: as they are stored. batch:
        parallel streams.
    Raises: ConfigError for a network without such a unit.
    """

    def __init__(self, net: Sequential, *, weights: Precision = "int8", batch: int = 1) -> None:
        names = [name for name, _ in net.named_children()]
        unit = dict(net.named_children()).get("unit")
        if not isinstance(unit, L2MU):
            expected, got = 'a network whose "unit" is an L2MU', f"layers {', '.join(names)}"
            raise ConfigError("Edge", expected=expected, got=got)
        at = names.index("unit")
        before, behind = (
            compile_for_inference(part, weights=weights, crossover=1.0) for part in (net[:at], net[at + 1 :])
        )
        self._before, self._behind = before.stream(batch=batch), behind.stream(batch=batch)
        self._unit = EventL2MU(unit, weights=weights).stream(batch=batch)

    def __call__(self, samples_B: Tensor) -> Tensor:
        """Advance by one step: (B, C) to spikes (B, K)."""
        return self._behind(self._unit(self._before(samples_B)))

    def run(self, samples_TB: Tensor) -> Tensor:
        """Advance by several steps: (T, B, C) to (T, B, K)."""
        return torch.stack([self(samples_B) for samples_B in samples_TB])

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the state, {"before", "unit", "behind"}; assigning continues there."""
        return {"before": self._before.state, "unit": self._unit.state, "behind": self._behind.state}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._before.state, self._unit.state, self._behind.state = (state[k] for k in ("before", "unit", "behind"))

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, scales and biases; known after the first step."""
        return stream_bytes(self._before) + self._unit.weight_bytes + stream_bytes(self._behind)


def pruned(net: Sequential, share: float) -> Sequential:
    """Copy a network with the ``share`` of smallest weights of each trained product set to 0. Raises: ConfigError."""
    if not 0 <= share < 1:
        raise ConfigError("pruned.share", expected="a share in [0, 1)", got=str(share))
    copy = deepcopy(net)
    with torch.no_grad():
        for layer in copy.modules():
            if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
                size = layer.weight.abs()
                least = size.flatten().sort().values[int(share * size.numel())]
                layer.weight[size < least] = 0
    return copy
