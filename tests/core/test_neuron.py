from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.surrogates.atan import ATan


class Counter(Neuron):
    """Counts its input; fires from 2 on."""

    v_th: float = 2.0

    class State(NamedTuple):
        v: Tensor
        n: Tensor

    def step(self, state, current, *, dt):
        v = state.v + current * dt
        spikes = self.spike(v - self.v_th)
        return self.State(v=self.reset(v, spikes, self.v_th), n=state.n + spikes), spikes


def test_a_neuron_is_a_frozen_dataclass_without_saying_so():
    assert Counter(v_th=3).v_th == 3.0
    assert repr(Counter()).startswith("Counter(surrogate=ATan(alpha=2.0), reset=Subtract(")
    with pytest.raises(AttributeError):
        Counter().v_th = 1.0


def test_a_neuron_rests_at_zero_unless_it_says_otherwise():
    assert Counter().rest() == Counter.State(v=0.0, n=0.0)


def test_step_returns_state_and_spikes():
    state = Counter.State(torch.tensor([1.0, 1.5]), torch.zeros(2))
    state, spikes = Counter().step(state, torch.tensor([0.5, 0.5]), dt=1.0)
    assert spikes.tolist() == [0.0, 1.0]
    assert state.v.tolist() == [1.5, 0.0]
    assert state.n.tolist() == [0.0, 1.0]


def test_strictness_and_surrogate_belong_to_the_neuron():
    state = Counter.State(torch.tensor([1.0]), torch.zeros(1))
    current = torch.tensor([1.0], requires_grad=True)
    assert Counter(strict=True).step(state, current, dt=1.0)[1].item() == 0.0
    Counter(surrogate=ATan(alpha=5.0)).step(state, current, dt=1.0)[1].sum().backward()
    assert current.grad.item() == 2.5


def test_a_state_that_is_no_named_tuple_is_refused():
    with pytest.raises(ConfigError, match="Wrong.State: expected a NamedTuple of tensors"):

        class Wrong(Neuron):
            class State:
                v: Tensor

            def step(self, state, current, *, dt):
                return state, current
