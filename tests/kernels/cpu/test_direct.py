"""The short way through autograd: taken when nobody watches, and the same as the operator. T time, B batch."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from ranvier.core.reset import ToValue
from ranvier.kernels import operators, plan, run
from ranvier.kernels.cpu import direct, machine
from ranvier.neurons.alif import ALIF
from ranvier.neurons.lif import LIF
from ranvier.neurons.plif import PLIF

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))


class Watcher(TorchDispatchMode):
    """Writes down the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def results(neuron, x, state, *, watched, monkeypatch):
    """Run with gradients, the short way or through the operator; returns everything that can be compared."""
    if watched:
        monkeypatch.setattr(direct, "applies", lambda _: False)
    leaf = x.clone().requires_grad_()
    planned = plan(neuron, outputs=("spikes", *neuron.State._fields))
    tuned = {n: v.clone().requires_grad_() for n, v in ((n, getattr(neuron, n)) for n in planned.learned)}
    start = None if state is None else neuron.State(*(s.clone().requires_grad_() for s in state))
    found = run(planned, leaf, start, params=tuned)
    loss = sum(
        (o * torch.linspace(-1, 1, o.numel()).view(o.shape)).sum() for o in (*found.outputs.values(), *found.state)
    )
    wrt = [leaf, *tuned.values(), *(start or ())]
    grads = torch.autograd.grad(loss, wrt)
    monkeypatch.undo()
    return [*found.outputs.values(), *found.state, *grads]


@pytest.mark.parametrize("shape", [(4, 3, 5), (6, 70), (5,), (3, 2, 4, 3, 3), (2, 0), (0, 3)])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "neuron", [LIF(reset=ToValue()), PLIF(w=torch.tensor(0.2)), ALIF()], ids=lambda n: type(n).__name__
)
def test_both_ways_give_the_same_bits(neuron, shape, given, monkeypatch):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 3 + 1
    state = neuron.State(*(torch.rand(shape[1:]) for _ in neuron.State._fields)) if given else None
    short, long = (results(neuron, x, state, watched=w, monkeypatch=monkeypatch) for w in (False, True))
    for a, b in zip(short, long, strict=True):
        assert a.shape == b.shape
        assert torch.equal(a, b)


def test_layouts_of_current_and_gradient_do_not_matter(monkeypatch):
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(2)).transpose(1, 2) * 3
    want = results(LIF(), x.contiguous(), None, watched=True, monkeypatch=monkeypatch)
    got = results(LIF(), x, None, watched=False, monkeypatch=monkeypatch)
    for a, b in zip(got, want, strict=True):
        assert torch.equal(a, b)
    leaf = x.clone().requires_grad_()
    run(plan(LIF()), leaf).outputs["spikes"].sum().backward()  # its gradient is one number, expanded
    again = x.clone().requires_grad_()
    run(plan(LIF()), again).outputs["spikes"].backward(torch.ones(x.shape))
    assert torch.equal(leaf.grad, again.grad)


def test_modes_transforms_and_tracers_see_the_operator():
    x = torch.ones(2, 3)
    assert direct.applies(x)
    assert not direct.applies(x.to("meta"))
    with Watcher() as watcher:
        assert not direct.applies(x)
        run(plan(LIF()), x)
    assert "ranvier.forward.default" in watcher.seen
    with forward_ad.dual_level():
        assert not direct.applies(x)
    with torch.autograd.profiler.profile() as profile:
        run(plan(LIF()), x)
    assert "ranvier::forward" in [event.name for event in profile.function_events]
    seen = []
    torch.func.vmap(lambda row: seen.append(direct.applies(row)) or row)(x)
    assert seen == [False]


def test_second_derivatives_are_refused_not_wrong():
    x = torch.full((2, 3), 30.0, requires_grad=True)
    (grad,) = torch.autograd.grad(run(plan(LIF()), x).outputs["spikes"].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch):
    asked = []
    true = machine.backward_coded
    monkeypatch.setattr(machine, "backward_coded", lambda *a, **k: asked.append(a[7]) or true(*a, **k))
    neuron = PLIF(w=torch.tensor(0.2))
    w = torch.tensor(0.2, requires_grad=True)
    x = torch.full((3, 4), 0.9)
    run(plan(neuron), x, params={"w": w}).outputs["spikes"].sum().backward()
    alone = w.grad.clone()
    assert asked == [(False, False)]
    w.grad = None
    run(plan(neuron), x.requires_grad_(), params={"w": w}).outputs["spikes"].sum().backward()
    assert asked[1:] == [(True, False)]
    assert torch.equal(alone, w.grad)
    assert alone != 0


def test_explicit_executors_are_obeyed():
    x = torch.ones(2, 3)
    assert operators.is_direct(x, "cpu")
    assert not operators.is_direct(x, "twin")
    assert not operators.is_direct(x, "gpu")
