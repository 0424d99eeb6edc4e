import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import TraceError
from ranvier.core.formula import equations
from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset, Reset, Subtract, ToValue
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates import ATan, StraightThrough
from ranvier.neurons.izhikevich import Izhikevich
from ranvier.neurons.lif import LIF


class State(NamedTuple):
    v: Tensor


def lines(f, **parameters):
    """Write a neuron whose next v is f(v, x, neuron) and whose output is its current."""

    def step(self, state, current, *, dt):
        return State(f(state.v, current, self)), current

    body = {"State": State, "step": step, "__annotations__": dict.fromkeys(parameters, float), **parameters}
    kind = type("Example", (Neuron,), body)
    tensors = {name: value for name, value in parameters.items() if isinstance(value, Tensor)}
    return equations(kind().replace(**tensors), dt=1.0)


def written(f, **parameters):
    """Return the one expression that v' is written as."""
    (line,) = [line for line in lines(f, **parameters) if line.startswith("v' = ")]
    return line.removeprefix("v' = ")


# What Python reads in the text must be what was computed; the places are where brackets matter.
EXPRESSIONS = {
    "v - (current - 2)": lambda v, x, n: v - (x - 2),
    "v - current - 2": lambda v, x, n: (v - x) - 2,
    "v / (current * v) * current": lambda v, x, n: v / (x * v) * x,
    "-(v * current)": lambda v, x, n: -(v * x),
    "-v * current": lambda v, x, n: -v * x,
    "v * (-current)": lambda v, x, n: v * -x,
    "v - current * 2": lambda v, x, n: v + -(x * 2),
    "v + (current - 1)": lambda v, x, n: v - -(x - 1),
    "v + 2": lambda v, x, n: v - (-2),
    "v - 2": lambda v, x, n: v + -2,
    "v * (-2)": lambda v, x, n: v * -2,
    "-2 * v": lambda v, x, n: -2 * v,
    "v - -2 * current": lambda v, x, n: v - (-2 * x),
    "abs(v) ** 1.5": lambda v, x, n: abs(v) ** 1.5,
    "2 ** v": lambda v, x, n: 2**v,
    "(2 ** v) ** current": lambda v, x, n: (2**v) ** x,
    "2 ** (current ** v)": lambda v, x, n: 2 ** (x**v),
    "2 ** (-v)": lambda v, x, n: 2 ** (-v),
    "where((v > current) & (current < 1), v, current)": lambda v, x, n: torch.where((v > x) & (x < 1), v, x),
    "where((v >= 0) & (current >= 0) | (v <= -1), 1, current)": lambda v, x, n: torch.where(
        (v >= 0) & (x >= 0) | (v <= -1), 1.0, x
    ),
    "where((v == current) != 0, v, current)": lambda v, x, n: torch.where((v == x) != 0.0, v, x),
    "0.333333 * v": lambda v, x, n: 1 / 3 * v,
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_text_is_what_python_reads_as_the_same_computation(text):
    f = EXPRESSIONS[text]
    assert written(f) == text
    v, x = torch.linspace(0.2, 2.1, 30).double(), torch.linspace(1.9, -1.3, 30).double()
    names = {"v": v, "current": x, "where": lambda c, a, b: torch.where(c, torch.as_tensor(a), torch.as_tensor(b))}
    torch.testing.assert_close(eval(text, names).double(), f(v, x, None), rtol=1e-5, atol=0, equal_nan=True)


def test_tensors_keep_their_names_and_numbers_have_six_digits():
    assert written(lambda v, x, n: v * n.a / (n.a + math.pi), a=torch.tensor(2.0)) == "v * a / (a + 3.14159)"
    assert written(lambda v, x, n: v * n.a / (n.a + math.pi), a=2.0) == "v * 2 / 5.14159"


def test_what_is_used_twice_has_a_name_of_its_own_and_no_name_is_taken_twice():
    def step(self, state, current, *, dt):
        y = torch.exp(state.x1 * current)
        return self.State(y + 1 / y), current

    class Pair(NamedTuple):
        x1: Tensor

    kind = type("Example", (Neuron,), {"State": Pair, "step": step})
    assert equations(kind(), dt=1.0) == ("x2 = exp(x1 * current)", "x1' = x2 + 1 / x2", "spikes = current")


def test_results_that_are_one_value_are_written_once():
    def step(self, state, current, *, dt):
        v = state.v + current
        return State(v), v

    kind = type("Example", (Neuron,), {"State": State, "step": step})
    assert equations(kind(), dt=1.0) == ("spikes = v + current", "v' = spikes")


def test_a_state_that_stays_and_a_number_are_results_too():
    assert lines(lambda v, x, n: v) == ("spikes = current", "v' = v")
    assert lines(lambda v, x, n: torch.zeros_like(v)) == ("spikes = current", "v' = 0")


RESETS = {
    "v' = x1 - spikes": Subtract(detach=True),
    "v' = (1 - spikes) * x1": ToValue(),
    "v' = (1 - spikes) * x1 + spikes * (-0.5)": ToValue(v_reset=-0.5),
    "v' = (1 - spikes) * x1 + spikes * reset.v_reset": ToValue(v_reset=torch.tensor(0.1)),
}


@pytest.mark.parametrize("last", RESETS)
def test_a_leaky_neuron_reads_as_in_a_paper(last):
    assert equations(LIF(tau_m=20.0, reset=RESETS[last]), dt=1.0) == (
        "x1 = 0.951229 * v + 0.0487706 * current",
        "spikes = H(x1 - 1)",
        last,
    )


def test_without_a_reset_the_potential_itself_is_named():
    assert equations(LIF(tau_m=torch.tensor(5.0), reset=NoReset(), decay_input=False), dt=2.0) == (
        "v' = exp(-2 / tau_m) * v + current",
        "spikes = H(v' - 1)",
    )


def test_a_soft_spike_is_written_as_its_primitive():
    assert "spikes = x1 - 1" in equations(LIF(surrogate=Soft(of=StraightThrough())), dt=1.0)
    assert "H(" not in " ".join(equations(LIF(surrogate=Soft(of=ATan())), dt=1.0))


def test_a_step_of_thousands_of_operations_can_be_written():
    text = equations(Izhikevich(substeps=400), dt=1.0)
    assert len(text) > 400
    assert text[-1].startswith("u' = ")


class Summing(LIF):
    """A neuron with a sum."""

    def step(self, state, current, *, dt):
        return self.State(state.v + current.sum()), current


def test_a_step_that_is_not_elementwise_is_described_without_equations():
    with pytest.raises(TraceError, match=r"Summing.step: expected elementwise operations .* got torch.sum"):
        equations(Summing(), dt=1.0)
    text = Summing().describe()
    assert "  not elementwise, see the source of Summing.step (Summing.step: expected" in text
    assert "  tau_m = 20 ms\n" in text


class Shifted(Reset):
    """A reset with a number and no unit."""

    shift: float = 0.5

    def apply(self, v, spikes, v_th):
        return v - self.shift * spikes


def test_the_page_lists_parameters_with_units_also_those_of_parts():
    text = LIF(v_th=torch.ones(3), reset=Shifted(), strict=True).describe(dt=0.5)
    assert text.startswith("LIF: Leaky integrate-and-fire neuron.\n\nParameters\n")
    for line in ("surrogate.alpha = 2", "reset.shift = 0.5", "tau_m = 20 ms", "v_th = tensor (3,)", "v_rest = 0 mV"):
        assert f"  {line}" in text
    assert "One step of 0.5 ms (H(x) = 1 where x > 0, else 0)\n" in text
    assert "  v' = x1 - 0.5 * spikes\n" in text
    assert text.endswith("  SpikingJelly: no equivalent\n  snnTorch: no equivalent\n  Norse: no equivalent")
