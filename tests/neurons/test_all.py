"""What holds for every neuron that is exported."""

import inspect
import math
import re

import numpy as np
import pytest
import torch

import ranvier.neurons as room
from ranvier.core.errors import ConfigError
from ranvier.core.formula import equations
from ranvier.core.neuron import Neuron
from ranvier.core.params import parameters, unit_of
from ranvier.core.program import lower
from ranvier.core.trace import trace_step
from ranvier.kernels.evaluate import evaluate

KINDS = [getattr(room, name) for name in room.__all__]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
STEP = {"Izhikevich": 1.0, "Izhikevich2007": 0.2, "AdEx": 0.1, "EIF": 0.1, "QIF": 0.1, "HodgkinHuxley": 0.02}
# A drive that makes some of 8 neurons fire some of the time: its size, and the length of the run, ms.
DRIVE = {
    "AdEx": (3000.0, 200), "EIF": (40.0, 100), "QIF": (20.0, 100), "Izhikevich": (20.0, 300),
    "Izhikevich2007": (300.0, 300), "HodgkinHuxley": (20.0, 60), "ResonateAndFire": (0.3, 200),
    "BalancedResonateAndFire": (0.4, 200), "PscExpLIF": (900.0, 200), "Tempotron": (0.1, 200),
}  # fmt: skip


def dt_of(kind):
    return STEP.get(kind.__name__, 1.0)


def drive(kind, dtype=torch.float64):
    size, time = DRIVE.get(kind.__name__, (3.0, 200))
    steps = round(time / dt_of(kind))
    noise = torch.rand(steps, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (size * noise * torch.linspace(0, 1, 8, dtype=torch.float64)).to(dtype)


def states_near_rest(kind, count=64):
    """Draw states around rest: within 10 % of the distance that a drive covers."""
    random = torch.Generator().manual_seed(3)
    rest = kind().rest()
    return kind.State(*(x + 0.05 * torch.rand(count, generator=random, dtype=torch.float64) for x in rest))


@every
def test_it_fires_under_a_drive_and_not_always(kind, simulate):
    spikes = simulate(kind(), drive(kind), dt=dt_of(kind)).spikes
    if kind.__name__ in ("LeakyIntegrator", "Tempotron"):
        assert 0 < spikes.mean() < 3.0  # a potential, no spikes
        return
    assert spikes.sum() > 3
    assert (spikes == 0).mean() > 0.3
    assert spikes[:, 0].sum() == 0  # the neuron without input
    assert set(np.unique(spikes)) <= set(range(kind().levels + 1) if hasattr(kind(), "levels") else (0, 1))


@every
def test_rest_stays_where_it_is_without_input(kind, simulate):
    states = simulate(kind(), np.zeros(200), dt=dt_of(kind)).states
    for name, value in kind().rest()._asdict().items():
        # The three currents of HodgkinHuxley cancel to 0.002 uA/cm2 at -65 mV.
        assert np.abs(states[name] - value).max() < (0.02 if kind.__name__ == "HodgkinHuxley" else 1e-9), name


@every
def test_its_step_is_a_program_with_numbers_folded(kind):
    dt = dt_of(kind)
    program = lower(trace_step(kind(), dt=dt))
    assert not any(name.startswith("param.") for name in program.inputs)
    offset = len(program.inputs)
    constants = {offset + n for n, i in enumerate(program.body) if i.op == "const"}
    foldable = [i for i in program.body if i.args and all(a in constants for a in i.args)]
    assert not foldable


@every
def test_it_traces_with_every_parameter_a_tensor(kind):
    neuron, dt = kind(), dt_of(kind)
    values = {name: value for name, value in parameters(neuron).items() if "." not in name}
    tensors = {name: torch.tensor([v, v], dtype=torch.float64) for name, v in values.items()}
    program = lower(trace_step(neuron.replace(**tensors), dt=dt))
    state, current = states_near_rest(kind, 2), torch.tensor([0.1, 2.0], dtype=torch.float64)
    inputs = {f"state.{f}": x for f, x in state._asdict().items()} | {"current": current}
    got = evaluate(program, inputs | {f"param.{name}": x for name, x in tensors.items()})
    expected, spikes = neuron.step(state, current, dt=dt)
    for name, value in expected._asdict().items():
        torch.testing.assert_close(got[f"state.{name}"], value, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(got["spikes"], spikes)


@every
@pytest.mark.parametrize("tensors", [False, True], ids=["numbers", "tensors"])
def test_the_equations_it_prints_are_what_its_step_computes(kind, tensors):
    neuron, dt = kind(), dt_of(kind)
    values = {k: v for k, v in parameters(neuron).items() if "." not in k} if tensors else {}
    written = neuron.replace(**{k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()})
    state, current = states_near_rest(kind), torch.linspace(-1, 3, 64, dtype=torch.float64)
    names = {
        "H": lambda x: (x > 0 if neuron.strict else x >= 0).double(), "exp": torch.exp, "expm1": torch.expm1,
        "where": lambda c, a, b: torch.where(c, torch.as_tensor(a).double(), torch.as_tensor(b).double()),
        "min": lambda x, y: torch.minimum(x, torch.as_tensor(y).double()), "round": torch.round, "relu": torch.relu,
        "max": lambda x, y: torch.maximum(x, torch.as_tensor(y).double()), "abs": torch.abs, "sigmoid": torch.sigmoid,
        "sqrt": torch.sqrt, "log": torch.log, "sin": torch.sin, "cos": torch.cos, "current": current, **state._asdict(), **values,
    }  # fmt: skip
    names |= {k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}
    for line in equations(written, dt=dt):
        name, formula = line.replace("'", "_new").split(" = ")
        names[name] = eval(formula, {}, names)
    expected, spikes = neuron.step(state, current, dt=dt)
    for name, value in expected._asdict().items():
        # Numbers are printed with six digits, and a membrane of -65 mV is a small difference of larger terms.
        torch.testing.assert_close(names[f"{name}_new"].double(), value, rtol=2e-5, atol=2e-3)
    torch.testing.assert_close(names["spikes"].double(), spikes, rtol=2e-5, atol=2e-3)


@every
def test_describe_names_the_parameters_the_step_and_the_peers(kind):
    neuron, dt = kind(), dt_of(kind)
    text = neuron.describe(dt=dt)
    assert text.startswith(f"{kind.__name__}: ")
    assert f"One step of {dt:g} ms" in text
    for name in parameters(neuron):
        assert f"  {name} = " in text
    for peer in ("SpikingJelly", "snnTorch", "Norse"):
        assert len(re.findall(rf"^  {peer}: .+$", text, flags=re.M)) == 1
    for name in kind.State._fields:
        assert f"  {name}' = " in text


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_it_keeps_the_type_of_its_input(kind, dtype):
    neuron = kind()
    state = neuron.State(*(torch.full((3,), float(x), dtype=dtype) for x in neuron.rest()))
    after, spikes = neuron.step(state, torch.ones(3, dtype=dtype), dt=dt_of(kind))
    assert {x.dtype for x in (*after, spikes)} == {dtype}
    assert {x.shape for x in (*after, spikes)} == {torch.Size([3])}


@every
def test_violent_input_overflows_nothing(kind, simulate):
    kick = np.zeros((60, 4))
    kick[::3] = [-1e6, 1e6, -3e4, 3e4]
    recording = simulate(kind(), kick, dt=dt_of(kind), dtype=torch.float32)
    assert np.isfinite(recording.spikes).all()
    for name, values in recording.states.items():
        assert np.isfinite(values).all(), name


@every
def test_gradients_reach_the_input_and_are_finite(kind):
    neuron, dt = kind(), dt_of(kind)
    current = drive(kind)[:120].requires_grad_()
    state = neuron.State(*(torch.full((8,), float(x), dtype=torch.float64) for x in neuron.rest()))
    total = torch.zeros((), dtype=torch.float64)
    for x in current:
        state, spikes = neuron.step(state, x, dt=dt)
        total = total + spikes.sum()
    (grad,) = torch.autograd.grad(total, current)
    assert torch.isfinite(grad).all()
    assert (grad != 0).any()


@every
def test_its_page_has_a_table_with_every_parameter_and_a_source(kind):
    page = inspect.getdoc(kind)
    own = [name for name in inspect.get_annotations(kind) if name not in ("State", "LEARNED", "reset", "strict")]
    for name in own:
        row = re.search(rf"^{name} {{2,}}(\S+) *(\S*)", page, flags=re.M)
        assert row, f"{name} is not in the table"
        default = getattr(kind, name)
        assert row[1] == (f"{default:g}" if isinstance(default, float) else str(default)), name
        unit = unit_of(kind, name)
        if unit != "1":
            assert row[2] == unit, name
    for word in ("State:", "Source:"):
        assert word in page
    assert "Source:" in inspect.getmodule(kind).__doc__
    assert inspect.getmodule(kind).__doc__.count("\n") == 0


@every
def test_a_parameter_that_is_no_number_is_refused(kind):
    for name, value in parameters(kind()).items():
        if "." in name:
            continue
        for bad, words in ((math.nan, "nan"), (math.inf, "inf")):
            with pytest.raises(ConfigError, match=rf"^{kind.__name__}\.{name}: expected a .*number.*, got {words}\.$"):
                kind(**{name: bad})
        with pytest.raises(ConfigError, match=rf"^{kind.__name__}\.{name}: expected "):
            kind(**{name: torch.tensor([value, math.nan])})


@every
def test_times_and_potentials_may_carry_a_unit(kind):
    for name in parameters(kind()):
        unit = {"ms": ("0.03 s", 30.0), "mV": ("0.05 V", 50.0), "Hz": ("0.02 kHz", 20.0)}.get(unit_of(kind, name))
        if unit is not None and "." not in name:
            assert getattr(kind(**{name: unit[0]}), name) == pytest.approx(unit[1])


def test_the_exports_are_neurons_in_a_file_each_and_sorted():
    assert all(issubclass(kind, Neuron) for kind in KINDS)
    assert len({kind.__module__ for kind in KINDS}) == len(KINDS)
    assert len(set(room.__all__)) == len(room.__all__)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: room.LIF(discretisation="eular"), r"^LIF\.discretisation: expected 'exact' or 'euler', got 'eular'"),
        (lambda: room.LIF(reset_at="later"), r"^LIF\.reset_at: expected 'spike' or 'before_leak' or 'after_leak', got"),
        (lambda: room.SynapticLIF(order="v"), r"^SynapticLIF\.order: expected 'synapse_first' or 'membrane_first'"),
        (lambda: room.LIF(tau_m=0), r"^LIF\.tau_m: expected a number > 0 ms, got 0\.0\.$"),
        (lambda: room.LIF(tau_m="-3 ms"), r"^LIF\.tau_m: expected a number > 0 ms, got -3\.0\.$"),
        (lambda: room.RefractoryLIF(t_ref=-1), r"^RefractoryLIF\.t_ref: expected a number >= 0, got -1\.0\.$"),
        (lambda: room.PscExpLIF(c_m="-1 pF"), r"^PscExpLIF\.c_m: expected a number > 0 pF, got -1\.0\.$"),
        (lambda: room.AdEx(reset=room.LIF.reset), r"^AdEx\.reset: expected ToValue, got Subtract\.$"),
        (lambda: room.IntegerLIF(levels=0), r"^IntegerLIF\.levels: expected a whole number from 1 to 255, got 0\.$"),
        (lambda: room.IntegerLIF(reset=room.AdEx.reset), r"^IntegerLIF\.reset: expected Subtract, got ToValue\.$"),
        (lambda: room.Izhikevich(substeps=0), r"^Izhikevich\.substeps: expected a whole number >= 1, got 0\.$"),
        (lambda: room.PLIF.of_tau(1.0), r"^PLIF\.of_tau\(tau\): expected a time constant > 1 step, got 1\.0\.$"),
        (
            lambda: room.LIF.like_snntorch(beta=1.0),
            r"^LIF\.like_snntorch\(beta\): expected a decay factor between 0 and 1, got 1\.0\. Use IF\.like_snntorch",
        ),
        (
            lambda: room.LIF.like_snntorch(beta=0.5, reset_mechanism="hard"),
            r"^LIF\.like_snntorch\(reset_mechanism\): expected 'subtract' or 'zero' or 'none', got 'hard'\.$",
        ),
        (
            lambda: room.IF.like_snntorch(reset_mechanism="hard"),
            r"^IF\.like_snntorch\(reset_mechanism\): expected 'subtract' or 'zero' or 'none', got 'hard'\.$",
        ),
        (
            lambda: room.LIF.like_norse(reset_method="zero"),
            r"^LIF\.like_norse\(reset_method\): expected 'value' or 'subtract', got 'zero'\.$",
        ),
        (
            lambda: room.SynapticLIF.like_snntorch(alpha=0.0, beta=0.5),
            r"^SynapticLIF\.like_snntorch\(alpha\): expected a decay factor between 0 and 1, got 0\.0\. Use LIF",
        ),
        (
            lambda: room.SynapticLIF.like_spikingjelly(v_decay=1.5),
            r"^SynapticLIF\.like_spikingjelly\(v_decay\): expected a decay factor between 0 and 1, got 1\.5\.",
        ),
        (
            lambda: room.QIF.like_spikingjelly(v_reset=None),
            r"^QIF\.like_spikingjelly\(v_reset\): expected a potential, got None, a soft reset\.$",
        ),
        (
            lambda: room.EIF.like_spikingjelly(v_reset=None),
            r"^EIF\.like_spikingjelly\(v_reset\): expected a potential, got None, a soft reset\.$",
        ),
        (
            lambda: room.ResonateAndFire.like_spikingjelly(v_reset=None),
            r"^ResonateAndFire\.like_spikingjelly\(v_reset\): expected a potential, got None, a soft reset\.$",
        ),
        (
            lambda: room.ResonateAndFire.like_spikingjelly(b=0.1),
            r"^ResonateAndFire\.like_spikingjelly\(b\): expected a number < 0, got 0\.1\.$",
        ),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
