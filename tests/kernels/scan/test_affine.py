import pytest
import torch

from ranvier.core.reset import NoReset
from ranvier.core.trace import trace_step
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.scan import affine
from ranvier.kernels.scan.affine import Affine
from ranvier.neurons import ALIF, LIF, BalancedResonateAndFire, LeakyIntegrator, ResonateAndFire, SynapticLIF

AFFINE = [LIF(reset=NoReset()), SynapticLIF(reset=NoReset(), v_rest=-0.5), LeakyIntegrator(v_rest=2.0)]


@pytest.mark.parametrize("neuron", AFFINE, ids=lambda n: type(n).__name__)
def test_the_matrices_are_the_step(neuron):
    found = affine(trace_step(neuron, dt=0.5))
    assert isinstance(found, Affine)
    assert not found.varies
    fields = neuron.State._fields
    current = torch.linspace(-2, 2, 5, dtype=torch.float64)
    state = [torch.linspace(-1 - k, 3, 5, dtype=torch.float64) for k in range(len(fields))]
    values = evaluate(found.program, {"current": current})
    after, _ = neuron.step(neuron.State(*state), current, dt=0.5)
    for row in fields:
        got = values[f"b.{row}"] + sum(values.get(f"A.{row}.{c}", 0.0) * s for c, s in zip(fields, state, strict=True))
        torch.testing.assert_close(got, getattr(after, row), rtol=1e-12, atol=1e-12)


def test_an_absent_entry_is_zero():
    found = affine(trace_step(SynapticLIF(reset=NoReset()), dt=1.0))
    assert "A.v.i" in dict(found.program.outputs)
    assert "A.i.v" not in dict(found.program.outputs)


@pytest.mark.parametrize(
    "neuron", [LIF(), ALIF(reset=NoReset()), BalancedResonateAndFire()], ids=lambda n: type(n).__name__
)
def test_a_step_that_spikes_change_is_not_affine_and_the_reason_says_so(neuron):
    found = affine(trace_step(neuron, dt=0.01))
    assert isinstance(found, str)
    assert "depends on a state through" in found


def test_a_rotation_is_affine_when_nothing_resets_it():
    found = affine(trace_step(ResonateAndFire(reset=NoReset()), dt=0.1))
    if isinstance(found, str):  # its reset is its own
        assert "spike" in found
    else:
        assert len([n for n, _ in found.program.outputs if n.startswith("A.")]) == 4
