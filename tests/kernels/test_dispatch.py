import copy
import warnings
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from ranvier.core.errors import DtypeError, ExecutorError, ShapeError, StateError, UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.core.reset import ToValue
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels import explain, operators, plan, rest, run
from ranvier.kernels.cpu import machine
from ranvier.neurons.lif import LIF

needs_kernel = pytest.mark.skipif(machine.absence() is not None, reason="the C++ extension is not built")


def draw(*shape, dtype=torch.float32, seed=0):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2).to(dtype)


class Summing(Neuron):
    """Not elementwise: every neuron hears all of its batch."""

    class State(NamedTuple):
        v: Tensor

    def step(self, state, current, *, dt):
        v = 0.5 * state.v + current.sum(-1, keepdim=True)
        return self.State(v), self.spike(v - 1.0)


def test_result_has_the_axes_of_the_input():
    result = run(plan(LIF(v_th=0.1), outputs=("spikes", "v")), draw(7, 3, 5, 2))
    assert {name: value.shape for name, value in result.outputs.items()} == {"spikes": (7, 3, 5, 2), "v": (7, 3, 5, 2)}
    assert result.state.v.shape == (3, 5, 2)
    assert torch.equal(result.state.v, result.outputs["v"][-1])
    assert 0 < result.outputs["spikes"].mean() < 1


PARAMETERS = {
    "numbers": {},
    "one for all": {"tau_m": torch.tensor(3.0), "v_th": torch.tensor(0.2)},
    "one a channel": {"tau_m": torch.linspace(2, 9, 5)[:, None], "v_th": torch.tensor([0.2])},
    "one a neuron": {"tau_m": torch.linspace(2, 9, 10).reshape(5, 2)},
    "one a sample and column": {"tau_m": torch.linspace(2, 9, 6).reshape(3, 1, 2)},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_spikes_and_gradients_equal_those_of_the_reference(name):
    neuron = LIF(v_th=0.2, reset=ToValue(v_reset=-0.1)).replace(**PARAMETERS[name])
    planned = plan(neuron, outputs=("spikes", "v"))
    seen = []
    for executor in ("reference", "auto"):
        x = draw(9, 3, 5, 2).requires_grad_()
        start = LIF.State(draw(3, 5, 2, seed=1).requires_grad_())
        params = {key: nn.Parameter(value.clone()) for key, value in PARAMETERS[name].items()}
        result = run(planned, x, start, params=params, executor=executor)
        loss = (result.outputs["spikes"] * draw(9, 3, 5, 2, seed=2)).sum()
        loss = loss + (result.outputs["v"] ** 2).sum() + (result.state.v * draw(3, 5, 2, seed=3)).sum()
        grads = torch.autograd.grad(loss, [x, start.v, *params.values()])
        seen.append((result.outputs, result.state, grads))
    assert torch.equal(seen[0][0]["spikes"], seen[1][0]["spikes"])
    assert torch.equal(seen[0][1].v, seen[1][1].v)
    for ours, law in zip(seen[1][2], seen[0][2], strict=True):
        torch.testing.assert_close(ours, law, rtol=1e-5, atol=1e-5 * float(law.abs().max()))


def test_gradients_of_a_smooth_network_pass_gradcheck():
    tau = torch.tensor([3.0, 5.0], dtype=torch.float64)
    planned = plan(LIF(tau_m=tau, v_th=0.3, surrogate=Soft(of=ATan())), outputs=("spikes", "v"))
    x = draw(4, 3, 2, dtype=torch.float64).requires_grad_()
    start = draw(3, 2, dtype=torch.float64, seed=1).requires_grad_()

    def function(x, v, tau):
        result = run(planned, x, LIF.State(v), params={"tau_m": tau})
        return (*result.outputs.values(), result.state.v)

    assert torch.autograd.gradcheck(function, (x, start, tau.requires_grad_()))


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_chunks_equal_the_whole_to_the_last_bit(executor):
    planned, x = plan(LIF(v_th=0.2)), draw(11, 13)
    whole = run(planned, x, executor=executor)
    first = run(planned, x[:4], executor=executor)
    second = run(planned, x[4:], first.state, executor=executor)
    assert torch.equal(torch.cat([first.outputs["spikes"], second.outputs["spikes"]]), whole.outputs["spikes"])
    assert torch.equal(second.state.v, whole.state.v)


@pytest.mark.parametrize("shape", [(1, 1), (5,), (0, 3), (3, 0), (17, 1, 1, 1), (2, 1023)])
def test_odd_shapes_equal_the_reference(shape):
    planned, x = plan(LIF(v_th=0.2), outputs=("spikes", "v")), draw(*shape)
    a, b = run(planned, x), run(planned, x, executor="reference")
    assert a.outputs["v"].shape == shape
    assert torch.equal(a.outputs["spikes"], b.outputs["spikes"])
    assert torch.equal(a.state.v, b.state.v)


def test_memory_order_does_not_matter():
    x = draw(6, 5, 4)
    strided = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not strided.is_contiguous()
    assert torch.equal(run(plan(LIF()), strided).outputs["spikes"], run(plan(LIF()), x).outputs["spikes"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_are_computed_in_float32(dtype):
    x = draw(20, 50, dtype=dtype)
    result, exact = run(plan(LIF(v_th=0.2)), x), run(plan(LIF(v_th=0.2)), x.float())
    assert result.outputs["spikes"].dtype == dtype
    assert result.state.v.dtype == torch.float32
    assert torch.equal(result.outputs["spikes"].float(), exact.outputs["spikes"])


def test_parameters_of_another_precision_are_taken_as_the_inputs():
    planned = plan(LIF(tau_m=torch.tensor([3.0, 4.0], dtype=torch.float64)))
    assert run(planned, draw(3, 2)).state.v.dtype == torch.float32
    assert run(planned, draw(3, 2, dtype=torch.float64)).state.v.dtype == torch.float64


def test_rest_is_the_state_before_any_input():
    state = rest(LIF(v_rest=-65.0, v_th=-50.0), torch.empty(2, 3, dtype=torch.bfloat16))
    assert torch.equal(state.v, torch.full((2, 3), -65.0))


def test_a_step_that_cannot_be_traced_runs_on_the_reference_and_says_so():
    planned, x = plan(Summing()), draw(4, 2, 3)
    with pytest.warns(RuntimeWarning, match=r"slow reference.*Summing.step: expected elementwise"):
        result = run(planned, x)
    expected = 0.5 * x[0].sum(-1, keepdim=True) + x[1].sum(-1, keepdim=True)
    assert torch.equal(run(planned, x[:2], executor="reference").state.v, expected.expand(2, 3))
    assert result.outputs["spikes"].shape == x.shape
    with pytest.raises(ExecutorError, match=r'executor="cpu": expected a step that can be traced'):
        run(planned, x, executor="cpu")
    assert explain(planned, x).executor == "reference"
    assert "cannot be traced" in str(explain(planned, x))


BAD_INPUT = {
    "integers": (lambda p: run(p, torch.ones(3, 2, dtype=torch.int64)), DtypeError, "run of LIF: expected a floating"),
    "no axes": (lambda p: run(p, torch.tensor(1.0)), ShapeError, r"run of LIF: expected an input \(T, ...\)"),
    "a tuple for a state": (lambda p: run(p, draw(3, 2), (draw(2),)), StateError, "expected a LIF.State, got a tuple"),
    "a state of another shape": (
        lambda p: run(p, draw(3, 2), LIF.State(draw(3))), StateError,
        r"expected state.v of shape \(2,\), as the input without time, got \(3,\)",
    ),
    "an unknown parameter": (
        lambda p: run(p, draw(3, 2), params={"tau": draw(1)}), UnknownNameError, "Did you mean 'tau_m'",
    ),
    "a parameter of another shape": (
        lambda p: run(p, draw(3, 2), params={"tau_m": draw(3).abs()}), ShapeError,
        r"parameter of LIF: expected a shape that broadcasts against the state \(2,\), got \(3,\)",
    ),
    "the GPU": (
        lambda p: run(p, draw(3, 2), executor="gpu"), ExecutorError, 'executor="gpu": expected an executor that can run',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused(name):
    call, kind, text = BAD_INPUT[name]
    if name == "the GPU" and operators.gpu.absence() is None:
        pytest.skip("Triton can run here")
    with pytest.raises(kind, match=text):
        call(plan(LIF(tau_m=torch.tensor(3.0))))


def test_without_the_extension_plain_torch_runs_and_says_so(monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: "it was not built")
    planned, x = plan(LIF(v_th=0.2)), draw(5, 3)
    with pytest.warns(RuntimeWarning, match="cpu cannot run: it was not built"):
        result = run(planned, x)
    assert torch.equal(result.outputs["spikes"], run(planned, x, executor="reference").outputs["spikes"])
    assert explain(planned, x).executor == "twin"  # without a warning: nothing is slow yet
    with pytest.raises(ExecutorError, match="got it was not built"):
        run(planned, x, executor="cpu")


def test_the_slow_executor_is_named_once_not_at_every_call(monkeypatch, recwarn):
    monkeypatch.setattr(machine, "absence", lambda: "it was not built at all")
    warnings.simplefilter("default")
    leaf = draw(5, 3).requires_grad_()
    for _ in range(3):
        run(plan(LIF(v_th=0.2)), leaf).outputs["spikes"].sum().backward()
    assert len([w for w in recwarn if "was not built at all" in str(w.message)]) == 1


@needs_kernel
def test_explanation_names_executor_reason_and_work():
    explanation = explain(plan(LIF()), draw(3, 2))
    assert (explanation.executor, explanation.reason) == ("cpu", "the input is on cpu")
    assert explanation.forward_instructions > 3
    assert str(explanation).startswith("cpu: the input is on cpu (")
    assert explain(plan(LIF()), draw(3, 2), executor="reference").reason == "it was asked for"
    assert explain(plan(LIF()), draw(3, 2), executor="cpu").reason == "it was asked for"


def test_executor_cpu_refuses_another_device(monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: None)
    with pytest.raises(ExecutorError, match="got the input is on cuda"):
        operators.choose("cuda", "cpu")


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tau = nn.Parameter(torch.tensor(3.0))
        self.plan = plan(LIF(tau_m=torch.tensor(3.0), v_th=0.2))

    def forward(self, x):
        return run(self.plan, x, params={"tau_m": self.tau}).outputs["spikes"]


@needs_kernel
def test_compiled_layer_has_no_graph_break_and_the_same_gradients():
    layer, x = Layer(), draw(5, 4)
    compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="aot_eager")
    a, b = layer(x), compiled(x)
    assert torch.equal(a, b)
    weight = draw(5, 4, seed=1)
    (expected,) = torch.autograd.grad((a * weight).sum(), layer.parameters())
    (got,) = torch.autograd.grad((b * weight).sum(), compiled.parameters())
    assert expected != 0
    torch.testing.assert_close(got, expected)


@needs_kernel
def test_exported_layer_carries_its_program():
    layer, x = Layer(), draw(5, 4)
    exported = torch.export.export(layer, (x,))
    calls = [node for node in exported.graph.nodes if "ranvier.forward" in str(node.target)]
    assert len(calls) == 1
    assert any(isinstance(a, str) and a.startswith("in state.v current") for a in calls[0].args)
    assert torch.equal(exported.module()(x), layer(x))


@needs_kernel
def test_operators_pass_torchs_own_checks():
    planned = plan(LIF(tau_m=torch.tensor(3.0), v_th=0.2))
    coefficients = [torch.tensor([0.7], requires_grad=True), torch.tensor([0.3], requires_grad=True)]
    args = (
        draw(3, 4).requires_grad_(), [draw(4).requires_grad_()], coefficients, [1, 1],
        planned.forward_text, planned.backward_text, "auto",
    )  # fmt: skip
    utils = ("test_schema", "test_faketensor", "test_aot_dispatch_static")
    assert set(torch.library.opcheck(operators.forward, args, test_utils=utils).values()) == {"SUCCESS"}


@pytest.mark.parametrize("order", [(0, 1, 4, 2, 3), (0, 3, 1, 2, 4), (1, 0, 2, 3, 4), (0, 1, 2, 3, 4)])
def test_results_lie_in_memory_as_the_input_does_and_are_the_same(order):
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(4, 3, 5, 6, 2, generator=generator) * 2
    x_TB = places.permute(order)
    threshold = torch.linspace(0.5, 1.5, x_TB.shape[2]).reshape(-1, 1, 1)
    planned = plan(LIF(tau_m=2.0, v_th=threshold), outputs=("spikes", "v"))
    start = LIF.State(v=torch.randn(x_TB.shape[1:], generator=generator))
    law = run(planned, x_TB.contiguous(), start, executor="reference")
    ours = run(planned, x_TB, start)
    assert 0 < law.outputs["spikes"].mean() < 1
    for name, value in law.outputs.items():
        assert torch.equal(value, ours.outputs[name])
    assert torch.equal(law.state.v, ours.state.v)
    if order[0] == 0:
        assert ours.outputs["spikes"].stride() == x_TB.stride()
