"""Fused programs: the common neurons have one, and it gives the interpreter's bits. T time, N neurons."""

from itertools import product
from typing import Any

import pytest
import torch

from ranvier.core.neuron import Neuron
from ranvier.core.program import Builder
from ranvier.core.reset import Subtract, ToValue
from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.triangle import Triangle
from ranvier.kernels.cpu import machine
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.plan import Programs, plan
from ranvier.neurons.alif import ALIF
from ranvier.neurons.integrate_and_fire import IF
from ranvier.neurons.lif import LIF
from ranvier.neurons.plif import PLIF
from ranvier.neurons.synaptic_lif import SynapticLIF

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

KINDS = [
    IF, LIF, lambda **k: LIF(tau_m=7.5, discretisation="euler", **k), lambda **k: LIF(decay_input=False, **k),
    lambda **k: PLIF(w=torch.tensor([0.3, -0.4, 0.9]), **k), SynapticLIF, ALIF,
]  # fmt: skip
COMMON = [
    kind(reset=reset, surrogate=surrogate, v_th=v_th)
    for kind, reset, surrogate, v_th in product(
        KINDS, (Subtract(), ToValue(), ToValue(detach=True)), (ATan(), FastSigmoid(), Triangle()), (1.0, 0.6)
    )
]


def programs(neuron: Neuron) -> Programs:
    found = plan(neuron).programs
    assert isinstance(found, Programs)
    return found


@pytest.mark.parametrize("neuron", COMMON, ids=repr)
def test_common_neurons_run_as_one_loop(neuron: Neuron) -> None:
    p = programs(neuron)
    codes = machine._backward_codes(p.forward, p.backward)
    assert all(code.fused for code in (machine._forward_code(p.forward), *codes))


def codes_of(p: Programs, *, fuse: bool) -> tuple[Any, Any, Any]:
    """Encode the forward program, the replay and the backward program."""
    native = machine._machine()
    forward = native.Code.forward(*encode(p.forward, machine._opcodes()), fuse)
    replay = native.Code.forward(*encode(machine._replay(p.forward), machine._opcodes()), fuse)
    backward = native.Code.backward(*encode(p.backward, machine._opcodes()), fuse)
    assert bool(forward.fused) == bool(replay.fused) == bool(backward.fused) == fuse
    return forward, replay, backward


def run(p: Programs, current: torch.Tensor, grad: torch.Tensor, *, fuse: bool, variant: str) -> list[torch.Tensor]:
    """Run forward and back on the machine itself; returns all results."""
    native = machine._machine()
    names = [name for name, _ in p.forward.outputs if name.startswith("state.")]
    forward, replay, backward = codes_of(p, fuse=fuse)
    T, N = current.shape
    coefs = [torch.linspace(0.3, 0.6, 3)[: 1 + 2 * (k % 2 == 0)] for k in range(len(p.prologue.outputs))]
    inner = [2] * len(coefs)
    nan = float("nan")
    states = [torch.linspace(-0.5, 0.9, N) + 0.1 * k for k, _ in enumerate(names)]
    spikes, last = torch.full((T, N), nan), [torch.full((N,), nan) for _ in names]
    native.forward(forward, current, states, coefs, inner, [spikes], last, 1, variant)
    d_current, d_states = torch.full((T, N), nan), [torch.full((N,), nan) for _ in names]
    d_coefs = [torch.full_like(c, nan) for c in coefs]
    native.backward(
        replay, backward, current, states, coefs, inner, [grad], [None, *last[1:]], d_current, d_states, d_coefs, 1, variant
    )  # fmt: skip
    return [spikes, *last, d_current, *d_states, *d_coefs]


@pytest.mark.parametrize("variant", machine._machine().variants() if machine.absence() is None else [])
@pytest.mark.parametrize("N", [1, 63, 64, 200, 4096])
def test_a_fused_loop_gives_the_bits_of_the_interpreter(N: int, variant: str) -> None:
    generator = torch.Generator().manual_seed(N)
    current, grad = (torch.randn(7, N, generator=generator) * 2 + 0.5 for _ in range(2))
    for neuron in COMMON:
        fused, plain = (run(programs(neuron), current, grad, fuse=fuse, variant=variant) for fuse in (True, False))
        for a, b in zip(fused, plain, strict=True):
            assert torch.equal(a, b), neuron
        assert N < 64 or 0 < fused[0].mean() < 1


def test_results_that_go_around_the_caches_are_the_same() -> None:
    p = programs(LIF())
    current = torch.randn(3, 2**19 + 24, generator=torch.Generator().manual_seed(0))  # rows of 8 lines and a half
    for x in (current, current[:, : 2**19], current[:, 8 : 2**18]):
        results = [run(p, x, x, fuse=fuse, variant=machine._machine().variants()[0]) for fuse in (True, False)]
        for a, b in zip(*results, strict=True):
            assert torch.equal(a, b)


def seen(
    p: Programs, current: torch.Tensor, grad: torch.Tensor, *, norm: tuple[int, int] | None, fuse: bool, threads: int,
    variant: str,
) -> list[torch.Tensor]:  # fmt: skip
    """Run forward and back with one value of each coefficient; norm: channels and neurons side by side of each."""
    native = machine._machine()
    forward, replay, backward = codes_of(p, fuse=fuse)
    generator = torch.Generator().manual_seed(4)
    N, nan = current.shape[1], float("nan")
    names = [name for name, _ in p.forward.outputs if name.startswith("state.")]
    coefs = [torch.full((1,), 0.4) for _ in p.prologue.outputs]
    states = [torch.full((1,), 0.1).expand(N) for _ in names]
    rows = torch.rand(3, norm[0], generator=generator) + 0.3 if norm else None
    normal = None if rows is None or norm is None else (*rows, norm[1])
    spikes, last = torch.full_like(current, nan), [torch.full((N,), nan) for _ in names]
    native.forward(forward, current, states, coefs, [1] * len(coefs), [spikes], last, threads, variant, normal)
    d_current, d_coefs = torch.full_like(current, nan), [torch.full_like(c, nan) for c in coefs]
    d_normal = [torch.full((norm[0],), nan) for _ in range(2)] if norm else []
    native.backward(
        replay, backward, current, states, coefs, [1] * len(coefs), [grad], [None for _ in names], d_current,
        [None for _ in names], d_coefs, threads, variant, normal, d_normal,
    )  # fmt: skip
    return [spikes, *last, d_current, *d_coefs, *d_normal]


@pytest.mark.parametrize("variant", machine._machine().variants() if machine.absence() is None else [])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", [None, (5, 1), (1500, 1), (3, 40)], ids=str)
def test_rows_seen_through_a_lens_give_the_bits_of_the_interpreter(
    norm: tuple[int, int] | None, dtype: torch.dtype, variant: str
) -> None:
    kinds = [LIF(reset=ToValue()), SynapticLIF(), PLIF(w=torch.tensor([0.3])), ALIF(v_th=0.6)]
    for N, threads in product((1, 64, 1000, 4160, 30000), (1, 3)):
        generator = torch.Generator().manual_seed(N)
        x, g = (torch.full((5, N + 7), float("nan")).to(dtype) for _ in range(2))  # poisoned between the rows
        for rows in (x, g):
            rows[:, :N] = torch.randn(5, N, generator=generator) * 9 + 4.0
        for neuron in kinds[: 4 if N == 1000 else 2]:
            fused, plain = (
                seen(programs(neuron), x[:, :N], g[:, :N], norm=norm, fuse=fuse, threads=threads, variant=variant)
                for fuse in (True, False)
            )
            for a, b in zip(fused, plain, strict=True):
                assert torch.equal(a, b), (neuron, N)
            assert N < 64 or 0 < fused[0].float().mean() < 1


def test_shapes_tell_programs_apart_by_what_they_compute() -> None:
    def shape(build: Builder, value: int) -> str:
        encoded = encode(build.finish({"out.y": value}), machine._opcodes())
        text: str = machine._machine().Code.forward(*encoded).shape
        return text

    def made(op: str, constant: float, *, swapped: bool = False) -> str:
        b = Builder(("current",))
        args = (b.const(constant), 0) if swapped else (0, b.const(constant))
        return shape(b, b.op(op, *args))  # type: ignore[arg-type]

    assert made("mul", 2.0) == made("mul", 3.0)
    assert made("sub", 2.0) != made("sub", 2.0, swapped=True)
    assert made("sub", 2.0) != made("mul", 2.0)
    b = Builder(("current", "coef.0"))
    assert shape(b, b.op("mul", 0, 1)) == made("mul", 2.0), "a coefficient is a constant to it"
