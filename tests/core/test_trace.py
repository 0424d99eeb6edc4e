import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import TraceError
from ranvier.core.neuron import Neuron
from ranvier.core.program import Builder, lower
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan
from ranvier.core.trace import Symbol, Trace, trace_function, trace_step
from ranvier.kernels.evaluate import evaluate


class State(NamedTuple):
    v: Tensor


def neuron(step, **fields):
    """A neuron whose step is the given function."""
    body = {"State": State, "step": step, "__annotations__": dict.fromkeys(fields, float), **fields}
    return type("Example", (Neuron,), body)()


FUNCTIONS = {
    "operators": lambda v, x: (-v + x * 2 - 1) / (x * x + 1.5) + 2 - 3 * v + 1 / (abs(v) + 1) + (1 - x),
    "powers": lambda v, x: v**2 + x**3 + (abs(v) + 0.1) ** 0.5 + (abs(x) + 0.1) ** 1.3 + v.pow(2) + torch.square(x),
    "comparisons": lambda v, x: torch.where((v > x) & (v >= 0) | ~(x < 1), v, x) + torch.where(v <= x, 1.0, v),
    "equality": lambda v, x: torch.where(v == v, x, v) + torch.where(v != v, x, v),
    "clamps": lambda v, x: v.clamp(min=-0.5, max=0.5) + torch.clamp(x, max=0.1) + x.clip(0.2) + torch.relu(v),
    "extrema": lambda v, x: torch.maximum(v, x) + torch.minimum(v, x * 0.5),
    "transcendental": lambda v, x: v.exp() + torch.log(x.abs() + 1) + torch.tanh(v) + v.sigmoid() + torch.erf(x),
    "more transcendental": lambda v, x: torch.expm1(v) + torch.log1p(abs(x)) + torch.sin(v) * torch.cos(x) + x.atan(),
    "roots": lambda v, x: torch.sqrt(v.abs()) + torch.reciprocal(x.abs() + 1) + torch.rsub(v, 2.0),
    "rounding": lambda v, x: torch.floor(v) + torch.round(x * 3) + torch.sign(v),
    "heaviside": lambda v, x: torch.heaviside(v, torch.tensor(0.5).to(torch.float64)) + x.detach().clone(),
    "likes": lambda v, x: torch.zeros_like(v) + torch.ones_like(x) + torch.full_like(v, 0.25) * x,
    "types": lambda v, x: (v > 0).to(v.dtype) + (x > 0).float() + v.type_as(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_program_computes_what_the_step_computes(name):
    f = FUNCTIONS[name]
    example = neuron(lambda self, state, current, *, dt: (State(f(state.v, current)), f(current, state.v)))
    v, x = torch.linspace(-2, 2, 41).double(), torch.linspace(1.7, -2.3, 41).double()
    result = evaluate(lower(trace_step(example, dt=1.0)), {"state.v": v, "current": x})
    torch.testing.assert_close(result["state.v"], f(v, x), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(result["spikes"], f(x, v), rtol=1e-14, atol=1e-14)


def test_numbers_become_constants_and_tensors_become_inputs():
    def step(self, state, current, *, dt):
        return State(state.v * self.decay + current), current

    assert trace_step(neuron(step, decay=0.5), dt=1.0).inputs == ("state.v", "current")
    learned = neuron(step, decay=0.5).replace(decay=torch.tensor(0.5))
    assert trace_step(learned, dt=1.0).inputs == ("state.v", "current", "param.decay")


def test_soft_spikes_are_traced_as_their_primitive():
    def step(self, state, current, *, dt):
        return state, self.spike(current)

    program = trace_step(neuron(step).replace(surrogate=Soft(of=ATan())), dt=1.0)
    assert "atan" in [i.op for i in program.body]
    assert "spike" not in [i.op for i in program.body]


REFUSED = {
    "a branch on the value": lambda v, x: v if v > 0 else x,
    "torch.sum": lambda v, x: torch.sum(v) + x,
    "torch.cumsum with dim": lambda v, x: torch.cumsum(v, dim=0),
    "the attribute .shape": lambda v, x: v * v.shape[0],
    "a tensor of shape (3,)": lambda v, x: v + torch.ones(3),
    "a conversion to torch.float64": lambda v, x: v.to(torch.float64),
    "torch.clamp with arguments": lambda v, x: v.clamp(0, 1, 2),
    "'no number'": lambda v, x: v * "no number",
    "torch.add with alpha": lambda v, x: torch.add(v, x, alpha=2),
    "torch.stack": lambda v, x: torch.stack([v, x]),
    "the index 0 into a tensor": lambda v, x: v[0],
    "a loop over a tensor": lambda v, x: sum(v) + x,
    "a number made of a tensor": lambda v, x: math.exp(v),
    "torch.matmul": lambda v, x: v @ x,
    "torch.mod": lambda v, x: v % 2,
}


@pytest.mark.parametrize("got", REFUSED)
def test_what_is_not_elementwise_is_refused_by_name(got):
    f = REFUSED[got]
    with pytest.raises(TraceError) as caught:
        trace_step(neuron(lambda self, state, current, *, dt: (State(f(state.v, current)), current)), dt=1.0)
    assert str(caught.value).startswith("Example.step: expected elementwise operations of torch")
    assert got in str(caught.value)


def test_a_step_must_return_its_own_state():
    with pytest.raises(TraceError, match=r"a new state of type tuple.*Return self.State"):
        trace_step(neuron(lambda self, state, current, *, dt: ((state.v,), current)), dt=1.0)


def test_a_surrogate_that_computes_nan_is_refused():
    with pytest.raises(TraceError, match="got NaN"):
        trace_function("s", lambda x: float("nan"), Builder(("x",)), 0)


def test_symbols_can_be_keys_but_have_no_truth():
    trace = Trace("t", ("x",))
    symbol = Symbol(trace, 0)
    assert {symbol: 1}[symbol] == 1
    with pytest.raises(TraceError, match="Use torch.where"):
        bool(symbol)


def test_a_symbol_of_another_trace_is_refused():
    ours, other = Symbol(Trace("ours", ("x",)), 0), Symbol(Trace("other", ("x", "y")), 1)
    with pytest.raises(TraceError, match="ours: expected elementwise .* got a tensor parameter of the surrogate. Give"):
        ours + other
