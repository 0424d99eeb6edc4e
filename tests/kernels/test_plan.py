from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, TraceError, UnknownNameError
from ranvier.core.maths import exp
from ranvier.core.neuron import Neuron
from ranvier.core.reset import Subtract
from ranvier.core.surrogate import Surrogate, spike
from ranvier.core.surrogates import ATan, Triangle
from ranvier.kernels.dispatch import run
from ranvier.kernels.plan import plan


class Leaky(Neuron):
    tau: float = 2.0
    v_th: float = 1.0

    class State(NamedTuple):
        v: Tensor

    def step(self, state, current, *, dt):
        decay = exp(-dt / self.tau)
        v = decay * state.v + (1 - decay) * current
        spikes = self.spike(v - self.v_th)
        return self.State(self.reset(v, spikes, self.v_th)), spikes


def test_numbers_leave_no_prologue():
    programs = plan(Leaky(), dt=0.5).programs
    assert programs.prologue.outputs == ()
    assert programs.forward.inputs == ("state.v", "current")
    assert [name for name, _ in programs.forward.outputs] == ["state.v", "out.spikes"]
    assert [name for name, _ in programs.backward.outputs] == ["grad_state.v", "grad_current"]


def test_what_depends_on_parameters_alone_is_computed_once():
    programs = plan(Leaky(tau=torch.tensor(2.0))).programs
    assert "exp" in [i.op for i in programs.prologue.body]
    assert "exp" not in [i.op for i in programs.forward.body]
    assert programs.forward.inputs == ("state.v", "current", "coef.0", "coef.1")
    assert len(programs.backward.outputs) == 4


def test_state_variables_can_be_outputs():
    programs = plan(Leaky(), outputs=("v", "spikes")).programs
    assert [name for name, _ in programs.forward.outputs] == ["state.v", "out.v", "out.spikes"]


def test_unknown_output_is_refused_with_near_ones():
    with pytest.raises(UnknownNameError, match=r"plan of Leaky: expected a known output \(spikes, v\), got 'spike'"):
        plan(Leaky(), outputs=("spike",))


def test_a_step_that_cannot_be_traced_keeps_the_reason():
    class Summing(Leaky):
        def step(self, state, current, *, dt):
            return state, current.sum()

    assert isinstance(plan(Summing()).programs, TraceError)
    assert plan(Summing()).forward_text == ""


def test_a_coefficient_may_be_the_result_itself():
    class Constant(Leaky):
        def step(self, state, current, *, dt):
            return self.State(state.v), self.v_th * 2

    programs = plan(Constant(v_th=torch.tensor(3.0))).programs
    assert programs.forward.outputs == (("state.v", 0), ("out.spikes", 2))


def test_a_surrogate_with_a_tensor_of_one_element_is_one_with_that_number():
    x = torch.linspace(-1.0, 3.0, 40, dtype=torch.float64).reshape(10, 4)
    grads = []
    for gamma in (torch.tensor([0.25]), 0.25):
        current = x.clone().requires_grad_()
        planned = plan(Leaky(surrogate=Triangle(gamma=gamma, width=2.0)))
        assert planned.learned == ()
        run(planned, current).outputs["spikes"].sum().backward()
        grads.append(current.grad)
    assert torch.equal(*grads)
    assert (grads[0] > 0).any()


def test_a_surrogate_with_a_number_a_neuron_is_refused():
    message = (
        r"plan of Leaky, surrogate.gamma: expected one number for all neurons, got a tensor of shape \(3,\). "
        r"Kernels are made for one derivative."
    )
    with pytest.raises(ConfigError, match=message):
        plan(Leaky(surrogate=Triangle(gamma=torch.ones(3))))


def test_a_second_surrogate_of_a_neuron_is_treated_alike():
    class Twofold(Leaky):
        other: Surrogate = ATan()

        def step(self, state, current, *, dt):
            return self.State(state.v), spike(current, self.other)

    planned = plan(Twofold(other=ATan(alpha=torch.tensor(3.0))))
    assert planned.neuron.other == ATan(alpha=3.0)
    with pytest.raises(ConfigError, match=r"plan of Twofold, other.alpha: expected one number"):
        plan(Twofold(other=ATan(alpha=torch.ones(2))))


def test_a_surrogate_hidden_in_another_part_leaves_its_tensor_to_the_reference():
    class Fuzzy(Subtract):
        surrogate: Surrogate = ATan()

        def apply(self, v, spikes, v_th):
            return v - v_th * spike(v - v_th, self.surrogate)

    planned = plan(Leaky(reset=Fuzzy(surrogate=ATan(alpha=torch.tensor(3.0)))))
    assert "got a tensor parameter of the surrogate" in str(planned.programs)
