"""Numbers of 16 bits at the machine's door, against torch's own conversions. T time, N neurons."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ranvier.core.program import Builder, Program
from ranvier.core.reset import ToValue
from ranvier.kernels import plan, run
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import Programs
from ranvier.kernels.twin import Coefficient
from ranvier.neurons.alif import ALIF
from ranvier.neurons.lif import LIF

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

SHORT = [torch.bfloat16, torch.float16]
VARIANTS = machine._machine().variants() if machine.absence() is None else []


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def program(**outputs: int) -> Program:
    """Make a program of a state (value 0) and the current (value 1) that returns some of them."""
    return Builder(("state.s", "current")).finish({"state.s": 0, **{f"out.{k}": v for k, v in outputs.items()}})


def every_half(dtype: torch.dtype) -> Tensor:
    return torch.arange(65536, dtype=torch.int32).to(torch.int16).view(dtype)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", SHORT)
def test_every_number_of_16_bits_comes_through_unchanged(dtype: torch.dtype, variant: str) -> None:
    x_TN = every_half(dtype).view(1, -1)
    through = machine.forward(program(x=1), x_TN, [torch.zeros(65536)], [], variant=variant).outputs[0]
    numbers = ~x_TN.isnan()
    assert numbers.sum() > 60000
    assert torch.equal(through.view(torch.int16)[numbers], x_TN.view(torch.int16)[numbers])
    assert through[~numbers].isnan().all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", SHORT)
def test_every_number_of_16_bits_is_widened_to_its_value(dtype: torch.dtype, variant: str) -> None:
    keep = Builder(("state.s", "current")).finish({"state.s": 1})
    x_N = every_half(dtype)
    wide = machine.forward(keep, x_N.view(1, -1), [torch.zeros(65536)], [], variant=variant).states[0]
    law = x_N.double().float()
    numbers = ~law.isnan()
    assert torch.equal(wide.view(torch.int32)[numbers], law.view(torch.int32)[numbers])
    assert wide[~numbers].isnan().all()


def between_halves(dtype: torch.dtype) -> Tensor:
    """Make float32 numbers at, between, and just beside the middles of neighbouring halves; too large and tiny ones."""
    half = every_half(dtype).float()
    half = half[half.isfinite() & (half >= 0)].sort().values.double()
    middle = ((half[1:] + half[:-1]) / 2).float()
    beside = [torch.nextafter(middle, torch.tensor(side)) for side in (-torch.inf, torch.inf)]
    top = torch.tensor([65504.0, 65519.9, 65520.0, 65536.0, 1e9, 3.3895e38, 3.4e38, torch.inf, torch.nan])
    drawn = torch.randn(5000, generator=torch.Generator().manual_seed(3)) * torch.logspace(-30, 30, 5000)
    x = torch.cat([half.float(), middle, *beside, top, drawn])
    return torch.cat([x, -x])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", SHORT)
def test_results_are_rounded_to_the_nearest_half_ties_to_even(dtype: torch.dtype, variant: str) -> None:
    x_N = between_halves(dtype)
    N = len(x_N)
    current = torch.zeros(1, N, dtype=dtype)
    narrow = machine.forward(program(s=0), current, [x_N], [], variant=variant).outputs[0][0]
    law = x_N.to(dtype)
    ordinary = ~law.isnan() & ((x_N == 0) | (x_N.abs() >= torch.finfo(torch.float32).tiny))
    assert ordinary.sum() > 0.99 * N - 600  # the rest: NaN, and denormals of float32, which the machine may flush
    assert torch.equal(narrow[ordinary].view(torch.int16), law[ordinary].view(torch.int16))
    assert torch.equal(narrow.isnan(), law.isnan())


def programs_of(neuron: LIF | ALIF) -> Programs:
    found = plan(neuron, outputs=("spikes", "v")).programs
    assert isinstance(found, Programs)
    return found


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("N", [0, 1, 63, 64, 65, 1023, 1088, 5000, 40000])
@pytest.mark.parametrize(
    "neuron", [LIF(reset=ToValue()), LIF(tau_m=torch.tensor([2.0, 3.0])), ALIF()], ids=["lif", "live", "alif"]
)
def test_16_bits_in_and_out_are_the_bits_of_converting_before_and_after(
    neuron: LIF | ALIF, N: int, dtype: torch.dtype
) -> None:
    T = 7
    generator = torch.Generator().manual_seed(N)
    current = (torch.randn(T, N + 3, generator=generator) * 3 + 0.5).to(dtype)[:, :N]  # rows with gaps between
    states = [torch.rand(N, generator=generator) for _ in neuron.State._fields]
    grads = [torch.randn(T, N, generator=generator).to(dtype), None]
    last = [torch.randn(N, generator=generator) for _ in states]
    p = programs_of(neuron)
    number = sum(name.startswith("coef.") for name in p.forward.inputs)
    coefficients = [Coefficient(torch.tensor([0.3, 0.6]), 5)] * number
    wide = [g if g is None else g.float() for g in grads]
    want = machine.forward(p.forward, current.float(), states, coefficients)
    back = machine.backward(p.forward, p.backward, current.float(), states, coefficients, wide, last)
    for variant in VARIANTS:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            got = machine.forward(p.forward, current, states, coefficients, variant=variant)
            for a, b in zip(got.outputs, want.outputs, strict=True):
                assert torch.equal(a, b.to(dtype))
            for a, b in zip(got.states, want.states, strict=True):
                assert torch.equal(a, b)
            came = machine.backward(p.forward, p.backward, current, states, coefficients, grads, last, variant=variant)
            assert torch.equal(came.current, back.current.to(dtype))
            for a, b in zip((*came.states, *came.coefficients), (*back.states, *back.coefficients), strict=True):
                assert torch.equal(a, b)
    if N > 1000:
        assert 0 < float(want.outputs[0].mean()) < 1
        assert back.current.abs().sum() > 0


@pytest.mark.parametrize("dtype", SHORT)
def test_results_that_go_around_the_caches_are_the_same(dtype: torch.dtype) -> None:
    current = (torch.randn(3, 800_064, generator=torch.Generator().manual_seed(1)) * 3).to(dtype)
    p = programs_of(LIF())
    want = machine.forward(p.forward, current.float(), [torch.zeros(800_064)], [])
    for rows in (current, current[:, 1:]):  # aligned, and not
        N = rows.shape[1]
        got = machine.forward(p.forward, rows, [torch.zeros(N)], [])
        for a, b in zip(got.outputs, want.outputs, strict=True):
            assert torch.equal(a, b[:, -N:].to(dtype))


@pytest.mark.parametrize("dtype", SHORT)
def test_a_layer_keeps_no_wide_copies_of_16_bits(dtype: torch.dtype) -> None:
    made: list[torch.dtype] = []
    kept: list[torch.dtype] = []
    true = machine._fresh

    def watching(x: Tensor) -> Tensor:
        made.extend([x.dtype] * (x.ndim == 2))
        return true(x)

    x = (torch.randn(5, 300, generator=torch.Generator().manual_seed(2)) * 3).to(dtype).requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_fresh", watching)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.dtype), t)[1], lambda t: t):
            spikes = run(plan(LIF()), x).outputs["spikes"]
        spikes.sum().backward()
    assert made == [dtype, dtype]  # spikes and gradient
    assert kept[0] == dtype
    assert x.grad is not None
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("dtype", SHORT)
def test_the_operator_gives_the_same_bits_and_compiles(dtype: torch.dtype) -> None:
    planned = plan(LIF())
    x = (torch.randn(4, 33, generator=torch.Generator().manual_seed(4)) * 3).to(dtype).requires_grad_()

    def loss(x: Tensor) -> Tensor:
        outputs: Tensor = run(planned, x).outputs["spikes"]
        return (outputs * torch.linspace(0, 1, 33, dtype=dtype)).sum()

    (want,) = torch.autograd.grad(loss(x), x)
    torch._dynamo.reset()
    (got,) = torch.autograd.grad(torch.compile(loss, backend="aot_eager", fullgraph=True)(x), x)
    assert torch.equal(got, want)
    law = x.detach().float().requires_grad_()
    weights = torch.linspace(0, 1, 33, dtype=dtype).float()
    (exact,) = torch.autograd.grad((run(planned, law, executor="reference").outputs["spikes"] * weights).sum(), law)
    torch.testing.assert_close(got.float(), exact, rtol=2.0**-7, atol=1e-3)
