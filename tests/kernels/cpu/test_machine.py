"""The vector machine against the plain twin, over random programs: T time, N neurons."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ranvier.core.program import ARITY, Builder, Program, lower
from ranvier.kernels import twin
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import plan
from ranvier.neurons.lif import LIF

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

# Operations that are rounded in one way only, so that any two executors agree to the last bit. IEEE 754 would have the
# square root among them, but torch's (from MKL) is one unit off at times; test_functions.py judges ours by itself.
INEXACT = {"pow", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "atan", "erf"}
EXACT = sorted(set(ARITY) - {"const", "spike", "detach"} - INEXACT)
CONSTANTS = [0.0, 1.0, -1.0, 0.5, 0.9512294, 3.0, -0.25]


@pytest.fixture(autouse=True)
def _threads_and_denormals() -> Iterator[None]:
    """Let torch flush denormals as the machine does; restore the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@st.composite
def programs(draw: st.DrawFn, *, states: int, coefficients: int, outputs: int, backward: bool = False) -> Program:
    """Draw a program with the inputs and outputs of a forward or backward program."""
    inputs = [f"state.s{k}" for k in range(states)] + ["current"] + [f"coef.{k}" for k in range(coefficients)]
    results = [f"state.s{k}" for k in range(states)] + [f"out.o{k}" for k in range(outputs)]
    if backward:
        wrt = list(inputs)
        inputs += [f"grad.{name}" for name in results]
        results = ["grad_" + name for name in wrt]
    b = Builder(tuple(inputs))
    values = list(range(len(inputs)))
    for _ in range(draw(st.integers(0, 25))):
        if draw(st.integers(0, 4)) == 0:
            values.append(b.const(draw(st.sampled_from(CONSTANTS))))
        else:
            op = draw(st.sampled_from(EXACT))
            values.append(b.op(op, *(draw(st.sampled_from(values[-8:])) for _ in range(ARITY[op]))))
    return lower(b.finish({name: draw(st.sampled_from(values[-6:])) for name in results}))


def numbers(seed: int, *shape: int, dtype: torch.dtype) -> Tensor:
    """Draw normal numbers with a few special ones among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    special = torch.tensor(
        [0.0, 1.0, -1.0, 0.5, 2.5, float("inf"), -float("inf"), float("nan"), 1e30, 1e-30], dtype=torch.float64
    )
    pick = torch.randint(0, 80, shape, generator=generator)
    return torch.where(pick < len(special), special[pick.clamp(max=len(special) - 1)], x).to(dtype)


def padded(x: Tensor, to: int) -> Tensor:
    """Pad neurons with ones: torch's SIMD loop and its scalar rest disagree about the sign of min(0, -0)."""
    return torch.nn.functional.pad(x, (0, to - x.shape[-1]), value=1.0)


def coefficients_of(seed: int, count: int, num_neurons: int, dtype: torch.dtype) -> list[twin.Coefficient]:
    shapes = [(1, 1), (3, 7), (max(num_neurons, 1), 1), (5, 1)]
    drawn = [shapes[(seed + k) % len(shapes)] for k in range(count)]
    return [
        twin.Coefficient(numbers(seed + k, size, dtype=dtype).nan_to_num(0.5, 2.0, -2.0), inner)
        for k, (size, inner) in enumerate(drawn)
    ]


def assert_same(ours: list[Tensor], law: list[Tensor]) -> None:
    assert len(ours) == len(law)
    for a, b in zip(ours, law, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


SIZES = st.sampled_from([1, 2, 63, 64, 65, 130, 200, 1023])


@settings(max_examples=150, deadline=None)
@given(
    st.data(), SIZES, st.sampled_from([0, 1, 2, 5]), st.sampled_from([torch.float32, torch.float64]), st.integers(0, 99)
)
def test_forward_equals_the_twin_bit_for_bit(
    data: st.DataObject, N: int, T: int, dtype: torch.dtype, seed: int
) -> None:
    states, coefficients, outputs = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)))
    program = data.draw(programs(states=states, coefficients=coefficients, outputs=outputs))
    P = -(-N // 64) * 64
    current, coefs = numbers(seed, T, N, dtype=dtype), coefficients_of(seed, coefficients, N, dtype)
    initial = [numbers(seed + 1 + k, N, dtype=dtype) for k in range(states)]
    law = twin.forward(program, padded(current, P), [padded(s, P) for s in initial], coefs)
    for variant in machine._machine().variants():
        ours = machine.forward(program, current, initial, coefs, variant=variant)
        assert_same(ours.outputs + ours.states, [x[..., :N] for x in law.outputs + law.states])


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    SIZES,
    st.sampled_from([0, 1, 2, 5, 17]),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 99),
)
def test_backward_equals_the_twin_bit_for_bit(
    data: st.DataObject, N: int, T: int, dtype: torch.dtype, seed: int
) -> None:
    states, outputs = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 2)))
    program = data.draw(programs(states=states, coefficients=1, outputs=outputs))
    vjp = data.draw(programs(states=states, coefficients=1, outputs=outputs, backward=True))
    P = -(-N // 64) * 64
    current, coefs = numbers(seed, T, N, dtype=dtype), coefficients_of(seed, 1, N, dtype)
    initial = [numbers(seed + 1 + k, N, dtype=dtype) for k in range(states)]
    grad_outputs = [numbers(seed + 5 + k, T, N, dtype=dtype) if (seed + k) % 3 else None for k in range(outputs)]
    grad_states = [numbers(seed + 9 + k, N, dtype=dtype) if (seed + k) % 2 else None for k in range(states)]
    law = twin.backward(
        program, vjp, padded(current, P), [padded(s, P) for s in initial], coefs,
        [None if g is None else padded(g, P) for g in grad_outputs],
        [None if g is None else padded(g, P) for g in grad_states],
    )  # fmt: skip
    for variant in machine._machine().variants():
        ours = machine.backward(program, vjp, current, initial, coefs, grad_outputs, grad_states, variant=variant)
        assert_same([ours.current, *ours.states], [x[..., :N] for x in (law.current, *law.states)])


def lif_case(T: int, N: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(T * N)
    current = (torch.randn(T, N, generator=generator) * 4 + 0.5).to(dtype)
    return current, [torch.rand(N, generator=generator).to(dtype)], torch.randn(T, N, generator=generator).to(dtype)


LIVE = plan(LIF(tau_m=torch.tensor(2.0))).programs
FIXED = plan(LIF(tau_m=2.0)).programs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inner", [1, 7, 64, 100])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_gradients_of_coefficients_are_the_sums_in_float64(channels: int, inner: int, dtype: torch.dtype) -> None:
    T, N = 6, 3 * channels * inner
    current, initial, grad = lif_case(T, N, dtype)
    values = [torch.linspace(0.3, 0.9, channels, dtype=dtype), torch.linspace(0.7, 0.1, channels, dtype=dtype)]
    coefs = [twin.Coefficient(v, inner) for v in values]
    law = twin.backward(
        LIVE.forward, LIVE.backward, current.double(), [initial[0].double()],
        [twin.Coefficient(v.double(), inner) for v in values], [grad.double()], [None],
    )  # fmt: skip
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ours = machine.backward(LIVE.forward, LIVE.backward, current, initial, coefs, [grad], [None])
        for a, b in zip(ours.coefficients, law.coefficients, strict=True):
            assert b.abs().max() > 0
            # Rounding to the type over T steps, and once at the end; sums of N terms of either sign.
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(a.double(), b, rtol=4 * T * eps, atol=4 * T * eps * N**0.5 * 4)


@pytest.mark.parametrize("N", [5000, 70_001])
def test_any_number_of_threads_gives_the_same_bits(N: int) -> None:
    current, initial, grad = lif_case(9, N)
    coefs = [twin.Coefficient(torch.tensor([0.6]), 1), twin.Coefficient(torch.rand(10), 100)]
    runs = []
    for threads in (1, 2, 4, 7):
        torch.set_num_threads(threads)
        forward = machine.forward(LIVE.forward, current, initial, coefs)
        backward = machine.backward(LIVE.forward, LIVE.backward, current, initial, coefs, [grad], [None])
        runs.append([*forward.outputs, *forward.states, backward.current, *backward.states, *backward.coefficients])
    assert 0 < runs[0][0].mean() < 1
    for run in runs[1:]:
        assert_same(run, runs[0])


def test_chunks_of_time_give_the_bits_of_the_whole() -> None:
    current, initial, _ = lif_case(20, 333)
    whole = machine.forward(FIXED.forward, current, initial, [])
    rows, states = [], initial
    for chunk in current.split([1, 7, 0, 12]):
        part = machine.forward(FIXED.forward, chunk, states, [])
        rows, states = [*rows, part.outputs[0]], part.states
    assert_same([torch.cat(rows), *states], [whole.outputs[0], *whole.states])


@pytest.mark.parametrize(("T", "N"), [(300, 130), (2500, 64), (20_000, 3)])
def test_long_sequences_through_checkpoints_equal_the_twin(T: int, N: int) -> None:
    current, initial, grad = lif_case(T, N, torch.float64)
    law = twin.backward(FIXED.forward, FIXED.backward, current, initial, [], [grad], [grad[0]])
    ours = machine.backward(FIXED.forward, FIXED.backward, current, initial, [], [grad], [grad[0]])
    assert law.current.abs().max() > 0
    assert_same([ours.current, *ours.states], [law.current, *law.states])


def test_strides_do_not_matter() -> None:
    current, initial, grad = lif_case(6, 150)
    want = machine.backward(FIXED.forward, FIXED.backward, current, initial, [], [grad], [initial[0]])
    wide = torch.randn(6, 400)
    wide[:, 20:170] = current
    column = torch.randn(150, 2)
    column[:, 1] = initial[0]
    flipped = grad.t().contiguous().t()
    got = machine.backward(
        FIXED.forward, FIXED.backward, wide[:, 20:170], [column[:, 1]], [], [flipped], [column[:, 1]]
    )
    assert_same([got.current, *got.states], [want.current, *want.states])
    every_other = torch.zeros(12, 150)
    every_other[::2] = current
    a, b = (
        machine.forward(FIXED.forward, every_other[::2], initial, []),
        machine.forward(FIXED.forward, current, initial, []),
    )
    assert_same([*a.outputs, *a.states], [*b.outputs, *b.states])
    one = torch.ones(()).expand(6, 150)
    a2, b2 = (
        machine.backward(FIXED.forward, FIXED.backward, current, initial, [], [g], [None])
        for g in (one, one.contiguous())
    )
    assert_same([a2.current, *a2.states], [b2.current, *b2.states])


@pytest.mark.parametrize("N", [1, 64, 65, 3000])
def test_every_number_of_the_results_is_written(N: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_fresh", lambda x: torch.full(x.shape, float("nan"), dtype=x.dtype))
    current, initial, grad = lif_case(5, N)
    coefs = [twin.Coefficient(torch.tensor([0.6]), 1), twin.Coefficient(torch.tensor([0.4, 0.5]), 3)]
    forward = machine.forward(LIVE.forward, current, initial, coefs)
    backward = machine.backward(LIVE.forward, LIVE.backward, current, initial, coefs, [grad], [None])
    for x in (*forward.outputs, *forward.states, backward.current, *backward.states, *backward.coefficients):
        assert x.isfinite().all()


@pytest.mark.parametrize(("T", "N"), [(0, 10), (3, 0), (0, 0)])
def test_nothing_to_do_leaves_states_as_they_were_and_gradients_zero(T: int, N: int) -> None:
    current, initial, grad = torch.zeros(T, N), [torch.rand(N)], torch.zeros(T, N)
    coefs = [twin.Coefficient(torch.tensor([0.6]), 1), twin.Coefficient(torch.tensor([0.4, 0.5]), 3)]
    forward = machine.forward(LIVE.forward, current, initial, coefs)
    assert_same([*forward.outputs, *forward.states], [current, *initial])
    backward = machine.backward(LIVE.forward, LIVE.backward, current, initial, coefs, [grad], [initial[0]])
    assert_same([backward.current, *backward.states], [current, *initial])
    assert_same(backward.coefficients, [torch.zeros(1), torch.zeros(2)])


def test_inputs_that_require_gradients_are_read_all_the_same() -> None:
    current, initial, _ = lif_case(3, 70)
    want = machine.forward(FIXED.forward, current, initial, [])
    got = machine.forward(FIXED.forward, current.requires_grad_(), [initial[0].requires_grad_()], [])
    assert_same([*got.outputs, *got.states], [*want.outputs, *want.states])
