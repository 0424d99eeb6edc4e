"""Compile printed kernels for NVIDIA's Hopper on any machine. Run by ``tests/kernels/gpu/test_compile.py``."""

import re
import subprocess
from pathlib import Path

import pytest
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ranvier.core.program import ARITY, Builder, Program, lower
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.gpu import window, window_kernels
from ranvier.kernels.gpu.device import WARPS, load
from ranvier.kernels.gpu.join import print_join
from ranvier.kernels.gpu.launch import BLOCK, FORWARD_CHUNK, chunk_length
from ranvier.kernels.gpu.source import print_backward, print_forward, print_turn
from ranvier.kernels.scan.affine import Affine, affine
from ranvier.kernels.scan.steps import grown, registers
from ranvier.kernels.vjp import vjp


def lif(num_states: int = 1) -> Program:
    """Leaky integrators in a row; the last one fires."""
    names = tuple(f"state.v{k}" for k in range(num_states))
    b = Builder((*names, "current", "coef.0"))
    value, ends = num_states, {}
    for k, name in enumerate(names):
        value = b.op("add", b.op("mul", num_states + 1, k), value)
        ends[name] = value
    spikes = b.spike(b.op("sub", value, b.const(1.0)), ATan(), False)
    return b.finish({**ends, names[-1]: b.op("sub", value, spikes), "out.spikes": spikes})


def everything() -> Program:
    """Every instruction once."""
    b = Builder(("state.v", "state.w", "current", "coef.0"))
    value = b.op("add", 0, 2)
    for op in ARITY:
        if op not in ("const", "spike", "detach"):
            value = b.op("add", b.op("mul", b.op(op, *[value, 1, 3][: ARITY[op]]), b.const(0.5)), value)  # type: ignore[arg-type]
    return b.finish({"state.v": value, "state.w": 1, "out.spikes": b.op("gt", value, b.const(1e-30))})


def compiled(source: str, number: str):
    return compiled_kernel(load(source), number, {"ROWS": 64, "BLOCK": 8} if "ROWS" in source else {"BLOCK": BLOCK})


def compiled_kernel(kernel, number: str, sizes: dict[str, int]):
    types, attributes = {}, {}
    for place, name in enumerate(kernel.arg_names):
        types[name] = (
            "constexpr" if name in ("ROWS", "BLOCK", "DTYPE") else f"*{number}" if name.endswith("_ptr") else "i32"
        )
        if name == "N" or name.endswith("_ptr"):
            attributes[(place,)] = [["tt.divisibility", 16]]
    statics = {**sizes, "DTYPE": {"fp32": tl.float32, "fp64": tl.float64}[number]}
    options = {"num_warps": WARPS, "enable_fp_fusion": False}
    return triton.compile(
        ASTSource(kernel, types, statics, attributes), target=GPUTarget("cuda", 90, 32), options=options
    )


def both(program: Program, chunk: int) -> list[str]:
    states = sum(name.startswith("state.") for name in program.inputs)
    back = vjp(program, program.inputs)
    return [
        print_forward(lower(program), chunk=FORWARD_CHUNK),
        print_backward(lower(program), back, chunk=chunk, has_grad_out=[True], has_grad_state=[True] * states),
    ]


@pytest.mark.parametrize("number", ["fp32", "fp64"])
def test_every_instruction_compiles(number: str):
    for source in both(everything(), 1):
        ptx = compiled(source, number).asm["ptx"]
        assert "div.full" not in ptx, "division must be rounded to nearest"
        assert "sqrt.approx" not in ptx
        if number == "fp32":  # in float64 the GPU has no such instruction, and Triton selects NaN itself
            assert not re.search(r"\b(min|max)\.f32", ptx), "NaN must come through minimum and maximum"


@pytest.mark.parametrize("number", ["fp32", "fp64"])
def test_multiplications_and_additions_are_not_fused(number: str):
    for source in both(lif(), 2):
        ptx = compiled(source, number).asm["ptx"]
        assert re.search(r"mul\.(rn\.)?f", ptx)
        assert "fma" not in ptx


def integrators(num_states: int) -> Program:
    """Leaky integrators in a row that nothing resets."""
    names = tuple(f"state.v{k}" for k in range(num_states))
    b = Builder((*names, "current", "coef.0"))
    value, ends = num_states, {}
    for k, name in enumerate(names):
        value = ends[name] = b.op("add", b.op("mul", num_states + 1, k), value)
    return b.finish({**ends, "out.spikes": b.spike(b.op("sub", value, b.const(1.0)), ATan(), False)})


@pytest.mark.parametrize("number", ["fp32", "fp64"])
@pytest.mark.parametrize("num_states", [1, 2, 3])
def test_what_a_scan_over_segments_needs_compiles_and_stays_in_registers(num_states: int, number: str, tmp_path: Path):
    program = integrators(num_states)
    back = vjp(program, program.inputs)
    found = affine(back, before="grad.state.", after="grad_state.")
    assert isinstance(found, Affine)
    turn = grown(found, [f"v{k}" for k in range(num_states)], "map.")
    names = registers(num_states)
    chunk = chunk_length(1000, num_states + len(names), len(turn.body))
    for source in (
        print_turn(lower(program), turn, names, chunk=chunk, has_grad_out=[True]), print_join(num_states)
    ):  # fmt: skip
        held, stack = usage(compiled(source, number), tmp_path)
        assert stack == 0
        assert held <= 255


def usage(kernel, folder: Path) -> tuple[int, int]:
    """Return the registers that a thread holds and the bytes that it spills."""
    (cuobjdump,) = (Path(triton.__path__[0]) / "backends" / "nvidia" / "bin").glob("cuobjdump")
    (folder / "kernel.cubin").write_bytes(kernel.asm["cubin"])
    command = [cuobjdump, "-res-usage", folder / "kernel.cubin"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(int(re.search(rf"{what}:(\d+)", text)[1]) for what in ("REG", "STACK"))  # type: ignore[index,return-value]


@pytest.mark.parametrize("number", ["fp32", "fp64"])
@pytest.mark.parametrize("name", ["window", "pulled", "weighed"])
def test_windows_compile_and_stay_in_registers(name: str, number: str, tmp_path: Path):
    sizes = {"ROWS": window.ROWS, "BLOCK": window.BLOCK}
    held, stack = usage(compiled_kernel(getattr(window_kernels, name), number, sizes), tmp_path)
    assert stack == 0
    assert held <= 128


@pytest.mark.parametrize("num_states", [1, 2, 4, 7])
def test_chunks_stay_in_registers(num_states: int, tmp_path: Path):
    program = lif(num_states)
    chunk = chunk_length(1000, num_states, len(vjp(program, program.inputs).body))
    for source in both(program, chunk):
        held, stack = usage(compiled(source, "fp32"), tmp_path)
        assert stack == 0
        assert held <= 128  # a multiprocessor then holds 512 threads, each with its loads under way
