"""Segments of time side by side on the GPU against the plain twin, on a GPU or, with TRITON_INTERPRET=1, interpreted.

Run by ``tests/kernels/gpu/test_launch.py`` and ``test_cuda.py`` in processes of their own.
"""

import os
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ranvier.core.errors import ExecutorError, ShapeError
from ranvier.core.neuron import Neuron
from ranvier.core.program import Builder, Program, lower
from ranvier.core.reset import NoReset
from ranvier.core.surrogates.atan import ATan
from ranvier.core.units import Ms
from ranvier.kernels import gpu, operators, plan, run, twin
from ranvier.kernels.gpu import scan
from ranvier.kernels.plan import Programs
from ranvier.kernels.twin import Coefficient
from ranvier.kernels.vjp import vjp
from ranvier.neurons import LIF, LeakyIntegrator, SynapticLIF

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"


class Gated(Neuron):
    """A leak that the input opens."""

    tau: Ms = 1.0

    class State(NamedTuple):
        v: Tensor

    def step(self, state, current, *, dt):
        v = torch.sigmoid(current) * state.v + current * self.tau
        return self.State(v), self.spike(v - 1.0)


class Chain(Neuron):
    """Three variables, of which the first two turn into each other and the third follows."""

    angle: Ms = 0.3

    class State(NamedTuple):
        u: Tensor
        v: Tensor
        w: Tensor

    def step(self, state, current, *, dt):
        u = 0.9 * state.u - self.angle * state.v + current
        v = self.angle * state.u + 0.9 * state.v
        w = 0.5 * state.w + v
        return self.State(u, v, w), self.spike(w - 0.7)


NEURONS = [
    LIF(tau_m=5.0, v_th=0.3, reset=NoReset()), SynapticLIF(tau_m=5.0, v_th=0.3, v_rest=-0.2, reset=NoReset()),
    LeakyIntegrator(tau_m=7.0), Gated(), Chain(),
]  # fmt: skip
SIZES = [(40, 1), (32, 3), (33, 2), (63, 5), (80, 2), (97, 1)]


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Put tensors on the device and fill fresh ones with NaN."""
    torch.use_deterministic_algorithms(True)
    with torch.device(DEVICE):
        assert torch.empty(3).isnan().all()
        yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch):
    """Cut sequences that the interpreter has time for: into segments of 16 and 32 steps."""
    monkeypatch.setattr(scan, "SHORTEST", 16)


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64, device="cpu").to(dtype).to(DEVICE)


def programs_of(neuron: Neuron) -> Programs:
    found = plan(neuron, outputs=("spikes", neuron.State._fields[0])).programs
    assert isinstance(found, Programs)
    return found


def assert_same_run(program: Program, back: Program, T: int, N: int, coefs: list[Coefficient], seed: int = 0) -> Tensor:
    """Compare forward and backward with the twin; return the first output."""
    num_states = sum(name.startswith("state.") for name in program.inputs)
    current_TN = draw(T, N, seed=seed)
    states = [draw(N, seed=seed + 1 + k) for k in range(num_states)]
    grads = [draw(T, N, seed=seed + 20 + k) for k in range(len(program.outputs) - num_states)]
    ends = [draw(N, seed=seed + 40 + k) for k in range(num_states)]
    got, expected = (module.forward(program, current_TN, states, coefs) for module in (scan, twin))
    for a, b in zip([*got.outputs, *got.states], [*expected.outputs, *expected.states], strict=True):
        assert_close(a, b, rtol=1e-11, atol=1e-11)
    pulled = [module.backward(program, back, current_TN, states, coefs, grads, ends) for module in (scan, twin)]
    ours, law = ([p.current, *p.states, *p.coefficients] for p in pulled)
    for a, b in zip(ours, law, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-10)
    return got.outputs[0]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: type(n).__name__)
@pytest.mark.parametrize(("T", "N"), SIZES)
def test_segments_give_what_one_run_gives(neuron: Neuron, T: int, N: int):
    assert scan.segment_length(T, N) < T
    found = programs_of(neuron)
    spikes = assert_same_run(found.forward, found.backward, T, N, [])
    if T * N > 100 and not isinstance(neuron, LeakyIntegrator):
        assert 0.01 < spikes.mean() < 0.99


@pytest.mark.parametrize(("K", "inner", "N"), [(1, 1, 4), (3, 1, 3), (2, 2, 4), (2, 3, 7)])
def test_coefficients_are_read_and_gathered_in_every_segment(K: int, inner: int, N: int):
    b = Builder(("state.v", "current", "coef.0"))
    v = b.op("add", b.op("mul", 2, 0), b.op("mul", 1, b.op("sub", b.const(1.0), 2)))
    spikes = b.spike(b.op("sub", v, b.const(0.2)), ATan(), False)
    program = b.finish({"state.v": v, "out.spikes": spikes})
    coefs = [Coefficient(torch.linspace(0.2, 0.9, K, dtype=torch.float64), inner)]
    assert_same_run(lower(program), vjp(program, program.inputs), 70, N, coefs)


@st.composite
def affine_steps(draw: st.DrawFn) -> Program:
    """Draw a step of two states whose factors are numbers, coefficients or functions of the current."""
    b = Builder(("state.a", "state.b", "current", "coef.0"))
    factors = [b.const(0.0), b.const(0.4), b.const(-0.3), 3, b.op("tanh", 2), b.op("mul", 3, b.op("sin", 2))]
    ends = []
    for _ in range(2):
        terms = [b.op("mul", draw(st.sampled_from(factors)), s) for s in (0, 1)]
        ends.append(b.op(draw(st.sampled_from(["add", "sub"])), b.op("add", *terms), draw(st.sampled_from([2, 3]))))
    x = b.op("sub", ends[draw(st.integers(0, 1))], b.const(0.5))
    return b.finish({"state.a": ends[0], "state.b": ends[1], "out.spikes": b.spike(x, ATan(), False), "out.a": 0})


@settings(max_examples=12 if INTERPRETED else 100, deadline=None, derandomize=True, database=None)
@given(program=affine_steps(), T=st.integers(30, 75), N=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_random_affine_step_gives_what_the_twin_gives(program: Program, T: int, N: int, seed: int):
    coefs = [Coefficient(torch.rand(N, dtype=torch.float64) * 0.4, 1)]
    assert_same_run(lower(program), vjp(program, program.inputs), T, N, coefs, seed)


@pytest.mark.parametrize("outs", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("final", [True, False])
def test_absent_gradients_are_zero(outs: tuple[bool, bool], final: bool):
    found = programs_of(NEURONS[1])
    current_TN, states = draw(50, 3, seed=1), [draw(3, seed=2), draw(3, seed=3)]
    grads = [draw(50, 3, seed=4 + k) if has else None for k, has in enumerate(outs)]
    ends = [draw(3, seed=6), None] if final else [None, None]
    arguments = (found.forward, found.backward, current_TN, states, [], grads, ends)
    got, expected = scan.backward(*arguments), twin.backward(*arguments)
    for a, b in zip([got.current, *got.states], [expected.current, *expected.states], strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_short_numbers_are_computed_in_float32(dtype: torch.dtype):
    found = programs_of(NEURONS[0])
    current_TN, states = draw(64, 3, seed=1, dtype=dtype), [draw(3, seed=2, dtype=torch.float32)]
    got = scan.forward(found.forward, current_TN, states, [])
    law = twin.forward(found.forward, current_TN.double(), [states[0].double()], [])
    assert got.outputs[0].dtype == dtype
    assert got.states[0].dtype == torch.float32
    # A unit in the last place of the outputs' type, which the interpreter may cut off; sums of 64 steps in float32.
    tolerance = max(1.0 * torch.finfo(dtype).eps, 1e-5)
    assert_close(got.outputs[1].double(), law.outputs[1], rtol=tolerance, atol=tolerance)
    near = (law.outputs[1] - 0.3).abs() < 1e-4
    assert torch.equal(got.outputs[0].double()[~near], law.outputs[0][~near])
    grads = [draw(64, 3, seed=4, dtype=dtype), None]
    got_back = scan.backward(found.forward, found.backward, current_TN, states, [], grads, [None])
    wide = [grads[0].double(), None]
    law_back = twin.backward(found.forward, found.backward, current_TN.double(), [states[0].double()], [], wide, [None])
    assert_close(got_back.current.double(), law_back.current, rtol=4 * tolerance, atol=4 * tolerance)


def test_with_many_neurons_there_is_one_segment_and_the_bits_are_those_of_the_ordinary_executor(
    monkeypatch: pytest.MonkeyPatch,
):
    found = programs_of(NEURONS[0])
    current_TN, states, grads = draw(64, 5, seed=1), [draw(5, seed=2)], [draw(64, 5, seed=3), None]
    monkeypatch.setattr(scan, "LANES", 5)
    assert scan.segment_length(64, 5) == 64
    for a, b in zip(
        scan.forward(found.forward, current_TN, states, []), gpu.forward(found.forward, current_TN, states, []),
        strict=True,
    ):  # fmt: skip
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    ours, law = (m.backward(found.forward, found.backward, current_TN, states, [], grads, [None]) for m in (scan, gpu))
    assert torch.equal(ours.current, law.current)


def test_results_have_the_same_bits_every_time():
    found = programs_of(NEURONS[4])
    current_TN, states = draw(90, 4, seed=1), [draw(4, seed=2 + k) for k in range(3)]
    grads, ends = [draw(90, 4, seed=6), None], [None] * 3
    first, second = (
        scan.backward(found.forward, found.backward, current_TN, states, [], grads, ends) for _ in range(2)
    )
    assert torch.equal(first.current, second.current)
    assert all(torch.equal(a, b) for a, b in zip(first.states, second.states, strict=True))


@pytest.mark.parametrize(("T", "N"), [(0, 3), (90, 0), (1, 1)])
def test_nothing_or_little_to_run_is_one_segment(T: int, N: int):
    found = programs_of(NEURONS[0])
    got = scan.forward(found.forward, draw(T, N, seed=1), [draw(N, seed=2)], [])
    law = twin.forward(found.forward, draw(T, N, seed=1), [draw(N, seed=2)], [])
    assert torch.equal(got.outputs[0], law.outputs[0])
    ours, expected = (
        m.backward(
            found.forward, found.backward, draw(T, N, seed=1), [draw(N, seed=2)], [], [None, None], [draw(N, seed=3)]
        )
        for m in (scan, twin)
    )  # fmt: skip
    assert torch.equal(ours.states[0], expected.states[0])


def test_strided_currents_are_read_right():
    found = programs_of(NEURONS[3])
    current_TN, states = draw(50, 3, seed=1), [draw(3, seed=2)]
    strided_TN, grads = current_TN.t().contiguous().t(), [torch.ones(1, 1, dtype=torch.float64).expand(50, 3), None]
    ours = scan.backward(found.forward, found.backward, strided_TN, states, [], grads, [None])
    law = twin.backward(found.forward, found.backward, current_TN, states, [], grads, [None])
    assert_close(ours.current, law.current, rtol=1e-10, atol=1e-10)


def test_a_step_that_is_not_affine_is_refused():
    found = programs_of(LIF())
    with pytest.raises(
        ExecutorError, match=r"kernels.gpu.scan: expected a step that is affine in its state, got state.v dep"
    ):
        scan.forward(found.forward, draw(64, 2, seed=1), [draw(2, seed=2)], [])


def test_shapes_that_do_not_fit_are_refused():
    found = programs_of(NEURONS[0])
    with pytest.raises(ShapeError, match=r"expected states of shapes \(2,\), got \(3,\)"):
        scan.forward(found.forward, draw(64, 2, seed=1), [draw(3, seed=2)], [])
    with pytest.raises(ShapeError, match=r"expected gradients of the outputs of shapes"):
        scan.backward(found.forward, found.backward, draw(64, 2, seed=1), [draw(2, seed=2)], [], [None], [None])


def test_it_is_one_operator_that_autograd_knows():
    planned = plan(NEURONS[0])
    found = programs_of(NEURONS[0])
    x, v = draw(64, 3, seed=1).requires_grad_(), draw(3, seed=2).requires_grad_()
    texts = str(planned.programs.forward), str(planned.programs.backward)  # type: ignore[union-attr] # it was traced
    spikes, end = operators.forward(x, [v], [], [], *texts, "scan")
    weight_TN = draw(64, 3, seed=4)
    ours = torch.autograd.grad((spikes * weight_TN).sum() + end.sum(), [x, v])
    law = twin.backward(
        found.forward,
        found.backward,
        x.detach(),
        [v.detach()],
        [],
        [weight_TN, None],
        [torch.ones(3, dtype=torch.float64)],
    )
    assert_close(ours[0], law.current, rtol=1e-10, atol=1e-10)
    assert_close(ours[1], law.states[0], rtol=1e-10, atol=1e-10)


def test_the_front_door_scans():
    planned = plan(NEURONS[2], outputs=("v",))
    x = draw(64, 2, 3, seed=1)
    ours, law = (run(planned, x, executor=e).outputs["v"] for e in ("scan", "reference"))
    assert_close(ours, law, rtol=1e-10, atol=1e-10)
