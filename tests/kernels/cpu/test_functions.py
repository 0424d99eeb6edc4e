"""Elementary functions of the vector machine against float64 and against C's special cases."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ranvier.core.program import ARITY, Builder, Op
from ranvier.kernels.cpu import machine

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

INF, NAN = float("inf"), float("nan")
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    2.0,
    3.0,
    -3.0,
    INF,
    -INF,
    NAN,
    1e-30,
    -1e-30,
    1e30,
    -1e30,
    3e38,
    88.8,
    -88.0,
    150.0,
]
DOMAIN: dict[Op, tuple[float, float]] = {
    "exp": (-87.0, 88.7), "expm1": (-20.0, 88.7), "log": (1e-37, 1e38), "log1p": (-0.9999, 1e6), "sqrt": (0.0, 1e38),
    "sin": (-3e6, 3e6), "cos": (-3e6, 3e6), "tanh": (-12.0, 12.0), "sigmoid": (-80.0, 30.0), "atan": (-1e3, 1e3),
    "erf": (-4.5, 4.5),
}  # fmt: skip


def apply(op: Op, *args: Tensor, variant: str | None = None) -> Tensor:
    """Run one operation on the machine; operands beyond the first go in as coefficients, one a neuron."""
    from ranvier.kernels.twin import Coefficient

    b = Builder(("current", *(f"coef.{k}" for k in range(len(args) - 1))))
    program = b.finish({"out.y": b.op(op, *range(len(args)))})
    coefficients = [Coefficient(x.contiguous(), 1) for x in args[1:]]
    return machine.forward(program, args[0][None], [], coefficients, variant=variant).outputs[0][0]


def sample(low: float, high: float) -> Tensor:
    """Draw numbers between two bounds, evenly and again by magnitude."""
    rng = np.random.default_rng(0)
    even = rng.uniform(low, high, 20_000)
    small = np.exp(rng.uniform(math.log(1e-30), math.log(max(abs(low), abs(high))), 20_000)) * rng.choice(
        [-1, 1], 20_000
    )
    x = np.concatenate([even, small[(small >= low) & (small <= high)]]).astype(np.float32)
    return torch.from_numpy(x[(x >= low) & (x <= high)])


def ulps(got: Tensor, exact: Tensor) -> Tensor:
    """Measure the error in units in the last place of the exact result."""
    exact32 = exact.abs().clamp(min=torch.finfo(torch.float32).tiny)
    spacing = 2.0 ** (torch.floor(torch.log2(exact32)) - 23)
    return (got.double() - exact).abs() / spacing


@pytest.mark.parametrize("op", DOMAIN)
def test_float32_functions_are_within_0_51_units_in_the_last_place(op: Op) -> None:
    x = sample(*DOMAIN[op])
    exact = getattr(torch, op)(x.double())
    assert ulps(apply(op, x), exact).max() < 0.51


def test_float32_powers_are_within_0_51_units_in_the_last_place() -> None:
    rng = np.random.default_rng(1)
    x = torch.from_numpy(np.exp(rng.uniform(-5, 5, 40_000)).astype(np.float32))
    y = torch.from_numpy(rng.uniform(-15, 15, 40_000).astype(np.float32))
    exact = torch.pow(x.double(), y.double())
    inside = (exact > 1e-37) & (exact < 3e38)
    assert inside.sum() > 30_000
    assert ulps(apply("pow", x, y), exact)[inside].max() < 0.51


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("op", [op for op in ARITY if ARITY[op] == 1 and op not in ("spike", "detach", "not")])
def test_special_values_are_those_of_c(op: Op, dtype: torch.dtype) -> None:
    x = torch.tensor(SPECIAL, dtype=dtype)
    got, want = apply(op, x), getattr(torch, op)(x.double()).to(dtype)
    want = torch.where(want.abs() < torch.finfo(dtype).tiny, want * 0, want)  # denormals are flushed
    torch.testing.assert_close(got, want, rtol=2 * torch.finfo(dtype).eps, atol=0, equal_nan=True)
    zero = (want == 0) & (x == 0)
    assert torch.equal(got[zero].signbit(), want[zero].signbit())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("op", [op for op in ARITY if ARITY[op] == 2 and op not in ("and", "or", "min", "max")])
def test_special_pairs_are_those_of_c(op: Op, dtype: torch.dtype) -> None:
    x, y = (
        v.flatten()
        for v in torch.meshgrid(torch.tensor(SPECIAL, dtype=dtype), torch.tensor(SPECIAL, dtype=dtype), indexing="ij")
    )
    names = {"div": "true_divide"}
    want = getattr(torch, names.get(op, op))(x.double(), y.double()).to(dtype)
    want = torch.where(want.abs() < torch.finfo(dtype).tiny, want * 0, want)
    torch.testing.assert_close(apply(op, x, y), want, rtol=2 * torch.finfo(dtype).eps, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("op", "law"), [("min", torch.minimum), ("max", torch.maximum)])
def test_min_and_max_propagate_nan(op: Op, law: object, dtype: torch.dtype) -> None:
    x, y = (
        v.flatten()
        for v in torch.meshgrid(torch.tensor(SPECIAL, dtype=dtype), torch.tensor(SPECIAL, dtype=dtype), indexing="ij")
    )
    got = apply(op, x, y)
    torch.testing.assert_close(got, law(x, y), rtol=0, atol=0, equal_nan=True)  # type: ignore[operator]
    assert got.isnan().sum() == 2 * len(SPECIAL) - 1


def test_square_roots_are_correctly_rounded() -> None:
    x = sample(0.0, 1e38)
    assert torch.equal(apply("sqrt", x), torch.from_numpy(np.sqrt(x.double().numpy()).astype(np.float32)))


def test_round_takes_halves_to_even() -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 8388609.0, 0.49999997])
    assert apply("round", x).tolist() == [0.0, 2.0, 2.0, -0.0, -2.0, 8388609.0, 0.0]


@pytest.mark.parametrize("op", [*DOMAIN, "floor", "round"])
def test_every_instruction_set_gives_the_same_bits(op: Op) -> None:
    x = torch.cat([sample(*DOMAIN.get(op, (-1e9, 1e9))), torch.tensor(SPECIAL)])
    best, *others = (apply(op, x, variant=v) for v in machine._machine().variants())
    assert others, "the baseline at least is another one"
    for other in others:
        torch.testing.assert_close(other, best, rtol=0, atol=0, equal_nan=True)


def test_a_number_alone_gets_the_bits_it_gets_among_others() -> None:
    x = sample(-2e6, 2e6)[:300]
    for op in ("sin", "exp", "erf"):
        together = apply(op, x)
        assert together.tolist() == [apply(op, v[None]).item() for v in x]


def test_double_functions_are_those_of_the_c_library() -> None:
    x = torch.linspace(-5, 5, 500, dtype=torch.float64)
    for op, f in (("exp", math.exp), ("tanh", math.tanh), ("erf", math.erf), ("sin", math.sin), ("atan", math.atan)):
        assert apply(op, x).tolist() == pytest.approx([f(v) for v in x.tolist()], rel=3e-16)
