"""Recurrent neurons: the compiled loop against the plain one and against numpy."""

import re
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ranvier.core.errors import DtypeError, ExecutorError
from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset, ToValue
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels import plan
from ranvier.kernels.recurrent import explain, loop, run
from ranvier.neurons import ALIF, IF, LIF, AdLIF, IntegerLIF, Izhikevich, LeakyIntegrator, SynapticLIF

needs_loop = pytest.mark.skipif(loop.absence() is not None, reason=str(loop.absence()))
pytestmark = pytest.mark.filterwarnings("ignore:The slow executor")

NEURONS = {
    "LIF": LIF(tau_m=3.0),
    "LIF hard": LIF(tau_m=3.0, reset=ToValue(v_reset=-0.25)),
    "LIF detached": LIF(tau_m=3.0, reset=ToValue(detach=True)),
    "ALIF": ALIF(tau_m=3.0, tau_a=9.0, beta=0.5),
    "SynapticLIF": SynapticLIF(tau_m=3.0, tau_syn=2.0),
    "AdLIF": AdLIF(),
    "IF": IF(),
    "IntegerLIF": IntegerLIF(),
    "Izhikevich": Izhikevich(),
    "LeakyIntegrator": LeakyIntegrator(tau_m=3.0),
}


class Case(NamedTuple):
    x: Tensor
    weight: Tensor
    bias: Tensor
    last: Tensor


def draw(T, B, N, *, seed=0, dtype=torch.float32, scale=1.0):
    """Draw multiples of 1/8: their sums are exact in any order, so spikes can be compared to the last bit."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape, size):
        return (torch.randn(*shape, generator=generator, dtype=torch.float64) * size * 8).round().div(8).to(dtype)

    last = (torch.rand(B, N, generator=generator) < 0.3).to(dtype)
    x = (numbers(T, B, N, size=2.0) + 1.0) * scale
    return Case(x, numbers(N, N, size=2.0 / N**0.5) * scale, numbers(N, size=0.5), last)


def both(neuron, case, *, outputs=("spikes",), state=None, params=None):
    planned = plan(neuron, outputs=outputs)
    for executor in ("reference", "auto"):
        yield run(planned, case.x, case.weight, case.bias, state, case.last, params=params or {}, executor=executor)


def lif_in_numpy(case, tau):
    """Leaky neurons with soft reset that hear each other, in float64, from the equations."""
    x, weight, bias, s = (t.double().numpy() for t in case)
    decay, v, out = np.exp(-1 / tau), np.zeros_like(s), []
    for current in x:
        v = decay * v + (1 - decay) * (current + (bias + s @ weight.T))
        s = (v >= 1.0).astype(float)
        v = v - s
        out.append(s)
    return np.stack(out), v


def test_spikes_and_membrane_are_those_of_the_equations():
    case = draw(40, 5, 7, dtype=torch.float64)
    spikes, v = lif_in_numpy(case, 3.0)
    result = run(plan(LIF(tau_m=3.0)), *case[:3], None, case.last, params={})
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(result.outputs["spikes"].numpy(), spikes)
    np.testing.assert_allclose(result.state.v.numpy(), v, atol=1e-12)


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_neuron_says_the_same_in_both_loops(name, dtype):
    neuron = NEURONS[name]
    scale = 40.0 if name == "Izhikevich" else 1.0
    case = draw(30, 5, 33, dtype=dtype, scale=scale)
    law, ours = both(neuron, case, outputs=("spikes", *neuron.State._fields))
    active = (law.outputs["spikes"] != 0).double().mean()
    assert active > 0.01
    if name == "LeakyIntegrator":  # says numbers, whose sums depend on their order
        torch.testing.assert_close(ours.outputs, law.outputs, rtol=1e-4, atol=1e-4)
        return
    assert active < 0.99
    assert torch.equal(ours.outputs["spikes"], law.outputs["spikes"])
    for field in neuron.State._fields:
        assert torch.equal(ours.outputs[field], law.outputs[field]), field


@given(
    T=st.integers(1, 6), B=st.integers(0, 9), N=st.sampled_from([1, 2, 15, 16, 31, 32, 64, 65, 100, 257]),
    hard=st.booleans(), biased=st.booleans(), started=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_size_gives_the_reference_spikes(T, B, N, hard, biased, started, seed):
    case = draw(T, B, N, seed=seed)
    neuron = LIF(tau_m=2.0, v_th=0.5, reset=ToValue() if hard else NoReset())
    case = case._replace(bias=case.bias if biased else None)
    state = LIF.State(torch.full((B, N), 0.25)) if started else None
    law, ours = both(neuron, case, state=state)
    assert torch.equal(ours.outputs["spikes"], law.outputs["spikes"])
    assert torch.equal(ours.state.v, law.state.v)


def gradients(neuron, case, executor, *, params=(), outputs=("spikes",), of_state=True):
    """Return the gradients of a loss that hears everything, with respect to everything."""
    dtype = case.x.dtype
    leaves = [t.clone().requires_grad_() for t in case if t is not None]
    x, weight, *bias, last = leaves
    start = tuple(torch.full_like(case.last, 0.125 * k).requires_grad_() for k in range(len(neuron.State._fields)))
    tensors = {key: nn.Parameter(torch.as_tensor(value, dtype=dtype)) for key, value in params}
    planned = plan(neuron.replace(**{key: value.detach() for key, value in tensors.items()}), outputs=outputs)
    result = run(
        planned, x, weight, bias[0] if bias else None, neuron.State(*start), last, params=tensors, executor=executor
    )
    generator = torch.Generator().manual_seed(9)
    loss = torch.zeros((), dtype=dtype)
    for value in (*result.outputs.values(), *(result.state if of_state else ())):
        loss = loss + (value * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype)).sum()
    wanted = [*leaves, *start, *tensors.values()]
    return torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("name", ["LIF", "LIF hard", "LIF detached", "ALIF", "SynapticLIF", "AdLIF"])
@pytest.mark.parametrize("of_state", [False, True])
def test_gradients_equal_those_of_the_reference(name, of_state):
    neuron, case = NEURONS[name], draw(12, 5, 33)
    law, ours = (
        gradients(neuron, case, executor, outputs=("spikes", "v"), of_state=of_state)
        for executor in ("reference", "auto")
    )
    for a, b in zip(ours, law, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


@pytest.mark.parametrize(
    "value", [3.0, [2.0, 3.0, 4.0, 5.0, 6.0], [[2.0], [3.0], [4.0]], [[2.0, 3.0, 4.0, 5.0, 6.0]] * 3], ids=str
)
def test_gradients_of_parameters_of_every_shape_equal_those_of_the_reference(value):
    case = draw(9, 3, 5)
    law, ours = (
        gradients(LIF(), case, executor, params=[("tau_m", value), ("v_th", 0.75)])
        for executor in ("reference", "auto")
    )
    for a, b in zip(ours, law, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


@given(T=st.integers(1, 4), B=st.integers(1, 9), N=st.sampled_from([1, 3, 31, 32, 33, 130]), biased=st.booleans())
def test_any_size_gives_the_reference_gradients(T, B, N, biased):
    case = draw(T, B, N, seed=T + B)
    case = case._replace(bias=case.bias if biased else None)
    law, ours = (gradients(NEURONS["ALIF"], case, executor) for executor in ("reference", "auto"))
    for a, b in zip(ours, law, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()) + 1e-12)


def test_gradients_of_a_smooth_layer_are_finite_differences():
    case = draw(4, 2, 3, dtype=torch.float64)
    planned = plan(SynapticLIF(tau_m=3.0, surrogate=Soft(of=ATan())), outputs=("spikes", "v"))
    leaves = [t.requires_grad_() for t in (*case, torch.zeros_like(case.last), torch.zeros_like(case.last))]

    def function(x, weight, bias, last, v, i):
        result = run(planned, x, weight, bias, SynapticLIF.State(v=v, i=i), last, params={})
        return (*result.outputs.values(), *result.state)

    assert torch.autograd.gradcheck(function, leaves)


def test_axes_between_batch_and_neurons_are_batch():
    case = draw(5, 6, 4)
    wide = run(
        plan(LIF(tau_m=2.0)), case.x.reshape(5, 2, 3, 4), case.weight, case.bias, None, case.last.reshape(2, 3, 4),
        params={},
    )  # fmt: skip
    flat = run(plan(LIF(tau_m=2.0)), *case[:3], None, case.last, params={})
    assert torch.equal(wide.outputs["spikes"].reshape(5, 6, 4), flat.outputs["spikes"])
    assert wide.state.v.shape == (2, 3, 4)


def test_memory_order_does_not_matter():
    case = draw(6, 5, 4)
    strided = case._replace(
        x=case.x.permute(2, 0, 1).contiguous().permute(1, 2, 0), weight=case.weight.t().contiguous().t()
    )
    assert not strided.x.is_contiguous()
    plain, other = (run(plan(LIF(tau_m=2.0)), *c[:3], None, c.last, params={}) for c in (case, strided))
    assert torch.equal(plain.outputs["spikes"], other.outputs["spikes"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_are_computed_in_float32(dtype):
    case = draw(20, 3, 9)
    short = run(plan(LIF(tau_m=2.0)), case.x.to(dtype), case.weight, case.bias, None, case.last.to(dtype), params={})
    exact = run(plan(LIF(tau_m=2.0)), case.x.to(dtype).float(), case.weight, case.bias, None, case.last, params={})
    assert short.outputs["spikes"].dtype == dtype
    assert short.state.v.dtype == torch.float32
    assert torch.equal(short.outputs["spikes"].float(), exact.outputs["spikes"])


def test_weights_of_another_precision_are_refused():
    case = draw(2, 2, 3)
    text = (
        "recurrent run of LIF: expected an input of torch.float64, as its weights, got torch.float32. Convert the input"
    )
    with pytest.raises(DtypeError, match=re.escape(text)):
        run(plan(LIF()), case.x, case.weight.double(), None, None, case.last, params={})


@needs_loop
def test_it_says_who_runs_and_why():
    x = torch.zeros(2, 3, 4)
    assert "cpu: one compiled loop over time adds up the weights" in str(explain(plan(LIF()), x))
    assert "it was asked for" in str(explain(plan(LIF()), x, executor="cpu"))
    words = str(explain(plan(LIF()), x, executor="reference"))
    assert words.startswith(
        'reference: a loop in plain torch, because executor="reference" was asked for; each step: it was'
    )
    with pytest.raises(ExecutorError, match="the input is on meta"):
        explain(plan(LIF()), x.to("meta"), executor="cpu")


class Summing(Neuron):
    """Not elementwise: every neuron hears all of its batch."""

    class State(NamedTuple):
        v: Tensor

    def step(self, state, current, *, dt):
        v = 0.5 * state.v + current.sum(-1, keepdim=True)
        return self.State(v), self.spike(v - 1.0)


def test_a_step_that_cannot_be_traced_runs_in_the_plain_loop_with_a_warning():
    case = draw(3, 2, 4)
    with pytest.warns(RuntimeWarning, match="slow"):
        result = run(plan(Summing()), *case[:3], None, case.last, params={})
    assert result.outputs["spikes"].shape == (3, 2, 4)
    with pytest.raises(ExecutorError, match="the step cannot be traced"):
        run(plan(Summing()), *case[:3], None, case.last, params={}, executor="cpu")


def test_without_the_extension_the_plain_loop_gives_the_same_and_says_so(monkeypatch):
    case = draw(9, 2, 4)
    before = run(plan(LIF(tau_m=2.0)), *case[:3], None, case.last, params={})
    monkeypatch.setattr(loop, "absence", lambda: "it is not there")
    with pytest.warns(
        RuntimeWarning, match="The slow executor in plain torch runs these recurrent neurons.*it is not there"
    ):
        after = run(plan(LIF(tau_m=2.0)), *case[:3], None, case.last, params={})
    assert torch.equal(before.outputs["spikes"], after.outputs["spikes"])
    with pytest.raises(ExecutorError, match="it is not there"):
        run(plan(LIF(tau_m=2.0)), *case[:3], None, case.last, params={}, executor="cpu")
