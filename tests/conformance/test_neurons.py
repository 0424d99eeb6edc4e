"""What holds for every neuron that the room exports; a newcomer's neuron is covered once it is exported."""

import inspect

import pytest
import torch

from ranvier import kernels, neurons
from ranvier.core.errors import TraceError
from ranvier.core.neuron import Neuron
from ranvier.core.params import parameters
from ranvier.core.surrogate import Soft
from ranvier.kernels import plan, rest, run

NAMES = [n for n in neurons.__all__ if inspect.isclass(getattr(neurons, n)) and issubclass(getattr(neurons, n), Neuron)]


def make(name: str) -> Neuron:
    return getattr(neurons, name)()


def drive(neuron: Neuron, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Draw a current that makes this neuron fire at some steps and stay silent at others, found by trying scales."""
    noise = torch.rand(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for scale in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0):
        current = (noise * 2 * scale).to(dtype)
        output = run(plan(neuron, dt=0.5), current, executor="reference").outputs["spikes"]
        active = (output != 0).double().mean()
        if 0.002 < active < 0.98 or "spike" not in inspect.getsource(type(neuron).step):
            return current
    raise AssertionError(f"{type(neuron).__name__} fires at no scale of current, or always")


def learned(neuron: Neuron, dtype: torch.dtype) -> Neuron:
    """The same neuron with each of its own parameters as a tensor with one value."""
    own = {name: value for name, value in parameters(neuron).items() if "." not in name}
    return neuron.replace(**{n: torch.as_tensor(v, dtype=dtype) for n, v in own.items()})


@pytest.fixture(params=NAMES)
def neuron(request):
    return make(request.param)


def test_step_can_be_traced(neuron):
    assert not isinstance(plan(neuron).programs, TraceError)
    assert not isinstance(plan(learned(neuron, torch.float64)).programs, TraceError)


def test_a_step_of_numbers_folds_all_its_parameters(neuron):
    if any(isinstance(v, torch.Tensor) for v in parameters(neuron).values()):
        pytest.skip("its parameters are learned by nature")
    programs = plan(neuron).programs
    assert programs.prologue.outputs == ()


def test_every_executor_gives_the_reference_spikes(neuron):
    for shape in ((40, 33), (1, 1), (3, 2, 5)):
        x = drive(neuron, 40, 33) if shape == (40, 33) else torch.ones(shape, dtype=torch.float64)
        planned = plan(neuron, dt=0.5, outputs=("spikes", *neuron.State._fields))
        law, ours = run(planned, x, executor="reference"), run(planned, x)
        assert torch.equal(law.outputs["spikes"], ours.outputs["spikes"])
        for field in neuron.State._fields:
            torch.testing.assert_close(ours.outputs[field], law.outputs[field], rtol=1e-9, atol=1e-9)


def test_gradients_equal_those_of_the_reference(neuron):
    smooth = neuron.replace(surrogate=Soft(of=neuron.surrogate))  # no jumps, so that the graph is the only question
    x0 = drive(neuron, 12, 7)
    seen = []
    for executor in ("reference", "auto"):
        tuned = learned(smooth, torch.float64)
        own = {n: v.requires_grad_() for n, v in parameters(tuned).items() if isinstance(v, torch.Tensor)}
        x = x0.clone().requires_grad_()
        result = run(plan(tuned, dt=0.5), x, params=own, executor=executor)
        out = result.outputs["spikes"]
        loss = (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).reshape(out.shape)).sum()
        seen.append(torch.autograd.grad(loss, [x, *own.values()], allow_unused=True, materialize_grads=True))
    for law, ours in zip(*seen, strict=True):
        assert torch.isfinite(law).all()
        torch.testing.assert_close(ours, law, rtol=1e-5, atol=1e-7 * max(1.0, float(law.abs().max())))
    assert seen[0][0].abs().sum() > 0


def test_chunks_equal_the_whole_to_the_last_bit(neuron):
    planned, x = plan(neuron, dt=0.5), drive(neuron, 20, 9)
    whole = run(planned, x)
    first = run(planned, x[:7])
    second = run(planned, x[7:], first.state)
    assert torch.equal(torch.cat([first.outputs["spikes"], second.outputs["spikes"]]), whole.outputs["spikes"])
    for a, b in zip(second.state, whole.state, strict=True):
        assert torch.equal(a, b)


def test_calling_twice_gives_the_same(neuron):
    planned, x = plan(neuron, dt=0.5), drive(neuron, 10, 5)
    assert torch.equal(run(planned, x).outputs["spikes"], run(planned, x).outputs["spikes"])


def test_rest_stays_at_rest_without_input(neuron):
    state = rest(neuron, torch.zeros(3, dtype=torch.float64))
    result = run(plan(neuron, dt=0.05), torch.zeros(20, 3, dtype=torch.float64))
    for name, before, after in zip(neuron.State._fields, state, result.state, strict=True):
        torch.testing.assert_close(after, before, rtol=2e-2, atol=2e-2, msg=lambda m, name=name: f"{name}: {m}")


def test_strong_input_leaves_everything_finite(neuron):
    for value in (1e6, -1e6):
        x = torch.full((20, 3), value).requires_grad_()
        result = run(plan(neuron), x)
        result.outputs["spikes"].sum().backward()
        for tensor in (result.outputs["spikes"], *result.state, x.grad):
            assert torch.isfinite(tensor).all()


def test_description_names_the_neuron_and_its_peers(neuron):
    text = neuron.describe()
    assert type(neuron).__name__ in text
    for peer in ("SpikingJelly", "snnTorch", "Norse"):
        assert peer in text


def test_every_neuron_is_exported():
    here = {m for m in dir(neurons) if inspect.isclass(getattr(neurons, m)) and issubclass(getattr(neurons, m), Neuron)}
    assert here - {"Neuron"} <= set(NAMES)
    assert kernels.plan(make("LIF")).programs is not None
