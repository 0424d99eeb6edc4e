from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import TraceError, UnknownNameError
from ranvier.core.maths import exp
from ranvier.core.neuron import Neuron
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
