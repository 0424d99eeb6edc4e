"""Load printed kernels and launch them on the device of a tensor, or through Triton's interpreter."""

import hashlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

WARPS = 4  # of a Triton program: 128 threads


def absence() -> str | None:
    """Say why this executor cannot run here; None if it can."""
    # Asked at every call: the search for a package costs 80 us, a look at those imported already nothing.
    if "triton" not in sys.modules and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if not interpreted() and not torch.cuda.is_available():
        return "there is no CUDA device"
    return None


def load(source: str) -> Any:
    """Make the kernel ``run`` of a printed module.

    Triton reads the text of a kernel through ``inspect``. ``linecache`` holds it, so that nothing is written to disk.
    """
    name = f"ranvier_gpu_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    # A modification time of None keeps linecache from looking for a file and dropping the text.
    linecache.cache[f"{name}.py"] = (len(source), None, source.splitlines(keepends=True), f"{name}.py")
    module: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), module)  # noqa: S102 - our own printer's text, from checked programs
    return module["run"]


def call(
    kernel: Any, num_blocks: int, arguments: Sequence[Any], counts: Sequence[int], sizes: Sequence[int], like: Tensor,
    dtype: torch.dtype,
) -> None:  # fmt: skip
    """Launch a printed kernel on the device of a tensor; dtype: of the numbers to compute in."""
    import triton.language as tl

    # Triton's interpreter makes arrays of whole numbers, which newer numpy refuses as the bounds of a loop.
    counts = [tl.constexpr(c) for c in counts] if interpreted() else counts
    number = tl.float64 if dtype == torch.float64 else tl.float32
    if num_blocks:
        with _device(like):
            # Without fused multiply-add the results are those of torch, which rounds after each operation.
            kernel[(num_blocks,)](*arguments, *counts, *sizes, number, num_warps=WARPS, enable_fp_fusion=False)


def _device(like: Tensor) -> AbstractContextManager[Any]:
    if like.is_cuda:
        return torch.cuda.device(like.device)
    return np.errstate(all="ignore")  # the interpreter computes in numpy, which warns where a GPU gives inf or NaN


def interpreted() -> bool:
    """Tell whether kernels are interpreted on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"
