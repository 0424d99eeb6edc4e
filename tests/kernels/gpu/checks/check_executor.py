"""The GPU executor against the plain twin, on a GPU or, with TRITON_INTERPRET=1, interpreted.

Run by ``tests/kernels/gpu/test_launch.py`` and ``test_cuda.py`` in processes of their own, because Triton decides at
its import which of the two it is.
"""

import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ranvier.core.program import ARITY, TRUTHS, Builder, Program, lower
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels import twin
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.gpu import backward, forward
from ranvier.kernels.gpu.launch import BLOCK, FORWARD_CHUNK
from ranvier.kernels.twin import Coefficient
from ranvier.kernels.vjp import vjp

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
# Rounded to nearest by numpy and torch alike, so that results agree to the last bit.
EXACT = (
    "neg", "abs", "sign", "floor", "round", "add", "sub", "mul", "div", "min", "max", "gt", "ge", "lt", "le", "eq",
    "ne", "where",
)  # fmt: skip
# The square root too: on some processors torch's own is a unit off.
LIBRARY = ("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "atan", "erf", "pow")
INPUTS = ("state.a", "state.b", "current", "coef.0", "coef.1")
SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, -1.0, 1e-3, -0.3, 3.7, -20.0, 80.0, 1e20, -1e20,
           math.inf, -math.inf, math.nan]  # fmt: skip


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Put tensors on the device and fill fresh ones with NaN."""
    torch.use_deterministic_algorithms(True)
    with torch.device(DEVICE):
        assert torch.empty(3).isnan().all()
        yield
    torch.use_deterministic_algorithms(False)


def alif() -> Program:
    """An adaptive LIF neuron: decay and gain are coefficients, threshold rises at spikes."""
    b = Builder(("state.v", "state.a", "current", "coef.0", "coef.1"))
    v = b.op("add", b.op("mul", 3, 0), b.op("mul", 4, 2))
    x = b.op("sub", b.op("sub", v, b.const(1.0)), b.op("mul", b.const(0.1), 1))
    spikes = b.spike(x, ATan(), False)
    a = b.op("add", b.op("mul", b.const(0.9), 1), spikes)
    v = b.op("sub", v, b.op("detach", spikes))
    return b.finish({"state.v": v, "state.a": a, "out.spikes": spikes, "out.v": v})


def data(program: Program, T: int, N: int, dtype: torch.dtype = torch.float32, seed: int = 0):
    """Return current, states, gradients of outs and states."""
    g = torch.Generator("cpu").manual_seed(seed)
    num_states = sum(n.startswith("state.") for n in program.inputs)
    num_outs = len(program.outputs) - num_states

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=dtype, device="cpu").to(DEVICE)

    return (
        draw(T, N) * 2,
        [draw(N) for _ in range(num_states)],
        [draw(T, N) for _ in range(num_outs)],
        [draw(N) for _ in range(num_states)],
    )


def coefficients(K: int, inner: int, dtype: torch.dtype = torch.float32) -> list[Coefficient]:
    g = torch.Generator("cpu").manual_seed(K)
    values = torch.rand(K, generator=g, dtype=dtype, device="cpu").to(DEVICE)
    return [Coefficient(values, inner), Coefficient(torch.ones(1, dtype=dtype), 1)]


def same_bits(got: Tensor, expected: Tensor) -> bool:
    """Compare values, signs of zeros included; one NaN is like another."""
    both_nan = got.isnan() & expected.isnan()
    return bool((both_nan | ((got == expected) & (got.signbit() == expected.signbit()))).all())


def assert_same_run(
    program: Program, current_TN: Tensor, states: list[Tensor], coefs: list[Coefficient]
) -> twin.Forward:
    got = forward(lower(program), current_TN, states, coefs)
    expected = twin.forward(lower(program), current_TN, states, coefs)
    for a, b in zip([*got.outputs, *got.states], [*expected.outputs, *expected.states], strict=True):
        assert same_bits(a, b)
    return got


@pytest.mark.parametrize(("T", "N"), [
    (1, 1), (1, BLOCK), (2, BLOCK + 1), (FORWARD_CHUNK, 3), (FORWARD_CHUNK + 1, 5), (33, 2),
    (2 * FORWARD_CHUNK + 3, 2 * BLOCK - 1),
])  # fmt: skip
def test_forward_has_the_bits_of_the_twin(T: int, N: int):
    program = alif()
    current_TN, states, _, _ = data(program, T, N)
    got = assert_same_run(program, current_TN, states, coefficients(3, 2))
    if T * N > 50:
        assert 0 < got.outputs[0].mean() < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("T", "N"), [(1, 1), (3, 7), (8, 2), (11, 3), (16, BLOCK + 2), (21, 3), (37, 1)])
def test_backward_has_the_bits_of_the_twin(T: int, N: int, dtype: torch.dtype):
    program = alif()
    current_TN, states, grads, grad_states = data(program, T, N, dtype)
    coefs = coefficients(N, 1, dtype)  # a value a neuron: nothing to add up over neurons
    arguments = (lower(program), vjp(program, program.inputs), current_TN, states, coefs, grads, grad_states)
    got, expected = backward(*arguments), twin.backward(*arguments)
    assert same_bits(got.current, expected.current)
    for a, b in zip(got.states, expected.states, strict=True):
        assert same_bits(a, b)
    assert same_bits(got.coefficients[0], expected.coefficients[0])
    assert_close(got.coefficients[1], expected.coefficients[1])
    assert got.current.abs().sum() > 0


@pytest.mark.parametrize(("K", "inner", "N"), [(1, 1, 9), (3, 4, 24), (3, 4, 23), (2, 50, 7), (5, 3, 7), (4, 1, 300)])
def test_coefficients_are_shared_as_the_twin_shares_them(K: int, inner: int, N: int):
    program = alif()
    current_TN, states, grads, grad_states = data(program, 5, N)
    coefs = coefficients(K, inner)
    assert_same_run(program, current_TN, states, coefs)
    arguments = (lower(program), vjp(program, program.inputs), current_TN, states, coefs, grads, grad_states)
    for a, b in zip(backward(*arguments).coefficients, twin.backward(*arguments).coefficients, strict=True):
        assert a.shape == b.shape
        # Sums of up to 300 numbers of size 1 in another order: 300 * 2**-24 * a few.
        assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outs", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("finals", [(True, False), (False, False)])
def test_absent_gradients_are_zero(outs: tuple[bool, bool], finals: tuple[bool, bool]):
    program = alif()
    current_TN, states, grads, grad_states = data(program, 6, 5)
    given = [g if has else None for g, has in zip(grads, outs, strict=True)]
    ends = [g if has else None for g, has in zip(grad_states, finals, strict=True)]
    arguments = (lower(program), vjp(program, program.inputs), current_TN, states, coefficients(5, 1), given, ends)
    got, expected = backward(*arguments), twin.backward(*arguments)
    assert same_bits(got.current, expected.current)
    assert all(same_bits(a, b) for a, b in zip(got.states, expected.states, strict=True))


@pytest.mark.parametrize("op", [op for op in ARITY if op not in ("const", "spike", "detach", *LIBRARY)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_exact_instruction_has_the_bits_of_torch_on_special_values(op: str, dtype: torch.dtype):
    pairs_N = torch.cartesian_prod(*[torch.tensor(SPECIAL, dtype=dtype)] * 2)
    if op in ("min", "max", "or"):  # which zero wins is left open by torch: it differs with the vector width
        pairs_N = pairs_N[(pairs_N != 0).any(1)]
    if op in ("and", "or", "not"):
        pairs_N = pairs_N.nan_to_num(0).clamp(0, 1).round().abs()
    current_N, state_N = pairs_N.unbind(1)
    b = Builder(("state.v", "current"))
    program = b.finish({"state.v": b.op(op, *[1, 0, 1][: ARITY[op]])})  # type: ignore[arg-type]
    (got,) = forward(program, current_N[None].contiguous(), [state_N.contiguous()], []).states
    expected = evaluate(program, {"state.v": state_N, "current": current_N})["state.v"]
    assert same_bits(got, expected), (pairs_N, got, expected)


@pytest.mark.parametrize("op", LIBRARY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_library_instruction_agrees_with_torch_to_a_few_units_in_the_last_place(op: str, dtype: torch.dtype):
    pairs_N = torch.cartesian_prod(*[torch.tensor(SPECIAL, dtype=dtype)] * 2)
    current_N, state_N = pairs_N.unbind(1)
    b = Builder(("state.v", "current"))
    program = b.finish({"state.v": b.op(op, *[1, 0][: ARITY[op]])})  # type: ignore[arg-type]
    (got,) = forward(program, current_N[None].contiguous(), [state_N.contiguous()], []).states
    expected = evaluate(program, {"state.v": state_N, "current": current_N})["state.v"]
    assert_close(got, expected, rtol=8 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).tiny, equal_nan=True)


@pytest.mark.parametrize("value", [-0.0, 0.1, math.inf, -math.inf, math.nan, 1e-45])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constants_have_all_their_bits(value: float, dtype: torch.dtype):
    b = Builder(("state.v", "current"))
    program = b.finish({"state.v": b.const(value)})
    (got,) = forward(program, torch.zeros(1, 2, dtype=dtype), [torch.zeros(2, dtype=dtype)], []).states
    assert same_bits(got, torch.full((2,), value, dtype=dtype))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a step of two states and two coefficients made of exact instructions."""
    b = Builder(INPUTS)
    values, truths = list(range(len(INPUTS))), []
    for _ in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from((*EXACT, "const", "spike", "and", "or", "not", "detach")))
        pool = truths if op in ("and", "or", "not") else values
        if not pool:
            continue
        args = [draw(st.sampled_from(pool)) for _ in range(ARITY[op])]
        if op == "const":
            value = b.const(draw(st.sampled_from([0.0, -0.0, 0.5, 1.0, -2.0, 0.1])))
        elif op == "spike":
            value = b.spike(args[0], ATan(), draw(st.booleans()))
        else:
            value = b.op(op, *args)  # type: ignore[arg-type]
        values.append(value)
        if op in TRUTHS or op == "spike":
            truths.append(value)
    ends = ("state.a", "state.b", "out.x", "out.y")
    return b.finish({name: draw(st.sampled_from(values)) for name in ends})


@settings(max_examples=60 if INTERPRETED else 10, deadline=None, derandomize=True, database=None)
@given(program=programs(), T=st.integers(1, 10), N=st.integers(1, 5), K=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_random_program_has_the_bits_of_the_twin(program: Program, T: int, N: int, K: int, seed: int):
    current_TN, states, grads, grad_states = data(program, T, N, seed=seed)
    assert_same_run(program, current_TN, states, coefficients(K, 2))
    coefs = [Coefficient(torch.rand(N), 1), Coefficient(torch.rand(N), 1)]
    arguments = (lower(program), vjp(program, program.inputs), current_TN, states, coefs, grads, grad_states)
    got, expected = backward(*arguments), twin.backward(*arguments)
    pairs = zip(
        [got.current, *got.states, *got.coefficients],
        [expected.current, *expected.states, *expected.coefficients],
        strict=True,
    )
    assert all(same_bits(a, b) for a, b in pairs)


# The interpreter cuts off where a GPU rounds to the nearest bfloat16: one unit in the last place.
CUT = 2**-7 if INTERPRETED else 0.0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.0), (torch.bfloat16, CUT)])
def test_sixteen_bit_currents_are_computed_in_float32(dtype: torch.dtype, tolerance: float):
    program = alif()
    current_TN, states, grads, grad_states = data(program, 9, 4)
    current_TN, grads = current_TN.to(dtype), [g.to(dtype) for g in grads]
    coefs = coefficients(4, 1)
    got = forward(lower(program), current_TN, states, coefs)
    expected = twin.forward(lower(program), current_TN.float(), states, coefs)
    for a, b in zip(got.outputs, expected.outputs, strict=True):
        assert_close(a, b.to(dtype), rtol=tolerance, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(got.states, expected.states, strict=True))
    back, wide = vjp(program, program.inputs), [g.float() for g in grads]
    got_back = backward(lower(program), back, current_TN, states, coefs, grads, grad_states)
    expected_back = twin.backward(lower(program), back, current_TN.float(), states, coefs, wide, grad_states)
    assert_close(got_back.current, expected_back.current.to(dtype), rtol=tolerance, atol=0)
    assert torch.equal(got_back.states[0], expected_back.states[0])


def test_inputs_in_strides_of_any_kind_are_read_right():
    program = alif()
    current_TN, states, _, grad_states = data(program, 6, 4)
    strided_TN = current_TN.t().contiguous().t()
    grads = [torch.ones(1, 1).expand(6, 4), None]
    arguments = (states, coefficients(4, 1), grads, grad_states)
    back = vjp(program, program.inputs)
    got = backward(lower(program), back, strided_TN, *arguments)
    assert torch.equal(got.current, twin.backward(lower(program), back, current_TN, *arguments).current)
    assert_same_run(program, strided_TN, states, coefficients(4, 1))


@pytest.mark.parametrize(("T", "N"), [(0, 3), (3, 0)])
def test_nothing_to_run_leaves_the_states_as_they_are(T: int, N: int):
    program = alif()
    current_TN, states, grads, grad_states = data(program, T, N)
    got = forward(lower(program), current_TN, states, coefficients(2, 1))
    assert got.outputs[0].shape == (T, N)
    assert all(torch.equal(a, b) for a, b in zip(got.states, states, strict=True))
    back = vjp(program, program.inputs)
    gradients = backward(lower(program), back, current_TN, states, coefficients(2, 1), grads, grad_states)
    assert all(torch.equal(a, b) for a, b in zip(gradients.states, grad_states, strict=True))
    assert torch.equal(gradients.coefficients[0], torch.zeros(2))


def test_a_step_without_state_runs():
    b = Builder(("current", "coef.0"))
    program = b.finish({"out.y": b.op("mul", 0, 1)})
    current_TN, coefs = torch.arange(6.0).reshape(3, 2).half(), [Coefficient(torch.tensor([2.0]), 1)]
    got = forward(program, current_TN, [], coefs)
    assert torch.equal(got.outputs[0], current_TN * 2)
    gradients = backward(program, vjp(program, program.inputs), current_TN, [], coefs, [torch.ones(3, 2)], [])
    assert torch.equal(gradients.current, torch.full((3, 2), 2.0).half())
    assert gradients.coefficients[0].item() == 15.0


def test_gradients_have_the_same_bits_every_time():
    program = alif()
    current_TN, states, grads, grad_states = data(program, 19, 5000)
    back = vjp(program, program.inputs)
    first, second = (
        backward(lower(program), back, current_TN, states, coefficients(7, 3), grads, grad_states) for _ in range(2)
    )
    for a, b in zip([first.current, *first.coefficients], [second.current, *second.coefficients], strict=True):
        assert torch.equal(a, b)


def test_a_run_in_two_parts_is_the_whole_run():
    program = alif()
    current_TN, states, _, _ = data(program, 11, 6)
    coefs = coefficients(2, 3)
    whole = forward(lower(program), current_TN, states, coefs)
    first = forward(lower(program), current_TN[:5], states, coefs)
    second = forward(lower(program), current_TN[5:], first.states, coefs)
    assert torch.equal(torch.cat([first.outputs[0], second.outputs[0]]), whole.outputs[0])
    assert torch.equal(second.states[0], whole.states[0])
