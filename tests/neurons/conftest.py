"""A plain loop over time around a neuron's step, in float64: what the tests of this room measure with."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from ranvier.core.neuron import Neuron


class Recording(NamedTuple):
    spikes: np.ndarray  # (T, N)
    states: dict[str, np.ndarray]  # (T, N) each, after the step

    def times(self, dt: float, neuron: int = 0) -> np.ndarray:
        """Return the spike times of one neuron, ms, a spike counted at the end of its step."""
        return (np.flatnonzero(self.spikes[:, neuron]) + 1) * dt


def simulate(neuron: Neuron, current_TN: Any, *, dt: float, state: Any = None, dtype: Any = torch.float64) -> Recording:
    current_TN = torch.as_tensor(np.asarray(current_TN), dtype=dtype)
    current_TN = current_TN[:, None] if current_TN.ndim == 1 else current_TN
    like = current_TN[0]
    start = neuron.rest() if state is None else state
    held = neuron.State(*(torch.as_tensor(x, dtype=dtype).expand(like.shape).clone() for x in start))
    fired, states = [], []
    for current in current_TN:
        held, spikes = neuron.step(held, current, dt=dt)
        fired.append(spikes)
        states.append(held)
    stacked = {f: torch.stack([getattr(s, f) for s in states]).numpy() for f in neuron.State._fields}
    return Recording(torch.stack(fired).numpy(), stacked)


@pytest.fixture(name="simulate", scope="session")
def _simulate() -> Any:
    return simulate
