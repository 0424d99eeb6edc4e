"""Join the maps of segments of time: where each segment starts, by an associative scan over segments.

Two segments in a row, s -> P1 s + q1 and s -> P2 s + q2, are one with P2 P1 and P2 q1 + q2 (Blelloch 1990, Prefix sums
and their applications, section 1.4). Row 0 of the scan is the map to the given start, row i the map of segment i - 1.

Axes: C segments, N neurons, K state variables.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from ranvier.kernels.gpu import text
from ranvier.kernels.gpu.device import call, load
from ranvier.kernels.scan.steps import registers

NUMBERS = 8192  # of one Triton program: 64 a thread, which registers have room for
WIDEST = 32  # neurons of one Triton program: a line of 128 bytes


def join(maps: Sequence[Tensor], starts_N: Sequence[Tensor], *, back: bool) -> list[Tensor]:
    """Return the variables (C * N,) at the start of every segment.

    Args: maps: of C - 1 segments, ((C - 1) * N,) each, in the order of ``registers``. starts_N: where the first of all
        starts. back: time runs back: the last segment starts, and maps are of the segments after the first.
    """
    K, N = len(starts_N), len(starts_N[0])
    rows = (len(maps[0]) // N if N else 0) + 1
    numbers = 1 << (rows - 1).bit_length()
    block = min(WIDEST, 1 << max((NUMBERS // (numbers * len(maps))).bit_length() - 1, 0))
    out = [start.new_empty(rows * N) for start in starts_N]
    places = (rows, (rows - 2) * N, (rows - 1) * N, -N) if back else (rows, 0, 0, N)
    like, arguments = starts_N[0], [*maps, *starts_N, *out, N]
    call(_kernel(K), -(-N // block), arguments, places, (numbers, block), like, like.dtype)
    return out


@lru_cache(maxsize=16)
def _kernel(num_states: int) -> Any:
    return load(print_join(num_states))


def print_join(num_states: int) -> str:
    """Print the module whose kernel ``run`` computes the starts of segments.

    Arguments of the kernel: maps, starts; to be written: the starts of all segments; N, rows, first_map, first_out,
    jump: elements from a row to the next, below 0 to go back; ROWS, BLOCK, DTYPE.
    """
    K = range(num_states)
    names = registers(num_states)
    earlier, later = ([f"{side}_{name}" for name in names] for side in ("a", "b"))
    results = [" + ".join([f"b_q_{i}", *(f"b_P_{i}_{k} * a_q_{k}" for k in K)]) for i in K]
    results += [" + ".join(f"b_P_{i}_{k} * a_P_{k}_{j}" for k in K) for i in K for j in K]
    function = [
        "@triton.jit",
        f"def after({', '.join([*earlier, *later])}):",
        f"    return {', '.join(results)}",
        "",
        "",
    ]
    body = [
        "n = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK))[None, :]",
        "row = tl.arange(0, ROWS)[:, None]",
        "here = (row < rows) & (n < N)",
        "mask = here & (row > 0)",
        "source = (row - 1).to(tl.int64) * jump + first_map + n",
        "target = row.to(tl.int64) * jump + first_out + n",
        *(f"{name} = {text.load(f'{name}_ptr', 'source')}" for name in names),
        *(f"start_{i} = tl.load(start_{i}_ptr + n, mask=n < N, other=0.0).to(DTYPE)" for i in K),
        *(f"q_{i} = tl.where(row == 0, start_{i}, q_{i})" for i in K),
        f"{', '.join(names)} = tl.associative_scan(({', '.join(names)}), 0, after)",
        *(f"tl.store(out_{i}_ptr + target, q_{i}, mask=here)" for i in K),
    ]
    taken = text.pointers([*names, *(f"start_{i}" for i in K), *(f"out_{i}" for i in K)])
    plain = ["rows", "first_map", "first_out", "jump"]
    static = [f"{name}: tl.constexpr" for name in ("ROWS", "BLOCK", "DTYPE")]
    main = [
        f"@triton.jit(do_not_specialize={plain})",
        f"def run({', '.join([*taken, 'N', *plain, *static])}):",
        *text.indent(body),
    ]
    return text.module(function, main)
