"""Triton kernels of a weighted window over the past. Imported only to be launched; see ``window.py``.

Neurons are G groups of I that share weights. x is (T, G * I), before (L, G * I), weight (T or 1, G, L + 1). A program
computes ROWS steps of BLOCK neurons of one group; the rows that a window reads again come from the L1 cache. Programs
are numbered along neurons first: ``blocks`` of them, in all groups, take the same steps.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

import triton
import triton.language as tl


@triton.jit
def _places(I, blocks, ROWS: tl.constexpr, BLOCK: tl.constexpr):  # noqa: E741 - as in the text above
    """Return this program's block, its group, rows and neurons, and which of the neurons there are."""
    block = tl.program_id(0) % blocks
    rows = (tl.program_id(0) // blocks * ROWS + tl.arange(0, ROWS))[:, None]
    a_group = (I + BLOCK - 1) // BLOCK
    group = block // a_group
    inside = block % a_group * BLOCK + tl.arange(0, BLOCK)
    return block, group, rows, (group.to(tl.int64) * I + inside)[None, :], (inside < I)[None, :]


@triton.jit
def _past(x_ptr, before_ptr, step, n, mask, N, L):
    """Load inputs of steps that may lie before the first."""
    row = step.to(tl.int64)
    x = tl.load(x_ptr + row * N + n, mask=mask & (step >= 0), other=0.0)
    return tl.where(step < 0, tl.load(before_ptr + (row + L) * N + n, mask=mask & (step < 0), other=0.0), x)


@triton.jit(do_not_specialize=["T", "L", "lags", "blocks"])
def window(
    x_ptr, before_ptr, weight_ptr, h_ptr, N, I, weight_step, T, L, lags, blocks,  # noqa: E741
    ROWS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """h[t] = sum over lags of weight[t, g, lag] x[t - lag], in the order of the lags."""
    _, group, t, n, here = _places(I, blocks, ROWS, BLOCK)
    mask = here & (t < T)
    weight = weight_ptr + t.to(tl.int64) * weight_step + group * (L + 1)
    h = tl.zeros([ROWS, BLOCK], DTYPE)
    for lag in range(lags):
        w = tl.load(weight + lag, mask=t < T, other=0.0)
        h += w * _past(x_ptr, before_ptr, t - lag, n, mask, N, L)
    tl.store(h_ptr + t.to(tl.int64) * N + n, h, mask=mask)


@triton.jit(do_not_specialize=["T", "L", "lags", "blocks"])
def pulled(
    grad_ptr, weight_ptr, grad_x_ptr, grad_before_ptr, N, I, weight_step, T, L, lags, blocks,  # noqa: E741
    ROWS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """Gradient of x and before: of step s = row - L, the sum over lags of weight[s + lag, g, lag] grad[s + lag]."""
    _, group, row, n, here = _places(I, blocks, ROWS, BLOCK)
    total = tl.zeros([ROWS, BLOCK], DTYPE)
    for lag in range(lags):
        t = row - L + lag
        known = (t >= 0) & (t < T)
        w = tl.load(weight_ptr + t.to(tl.int64) * weight_step + group * (L + 1) + lag, mask=known, other=0.0)
        total += w * tl.load(grad_ptr + t.to(tl.int64) * N + n, mask=known & here, other=0.0)
    place = row.to(tl.int64) * N + n
    tl.store(grad_before_ptr + place, total, mask=here & (row < L))
    tl.store(grad_x_ptr + place - tl.cast(L, tl.int64) * N, total, mask=here & (row >= L) & (row < L + T))


@triton.jit(do_not_specialize=["T", "L", "lags", "blocks"])
def weighed(
    grad_ptr, x_ptr, before_ptr, grad_weight_ptr, N, I, T, L, lags, blocks,  # noqa: E741
    ROWS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """Gradient of the weights, summed over the neurons of this program: (programs, T, L + 1)."""
    block, _, t, n, here = _places(I, blocks, ROWS, BLOCK)
    mask = here & (t < T)
    g = tl.load(grad_ptr + t.to(tl.int64) * N + n, mask=mask, other=0.0)
    target = grad_weight_ptr + (block.to(tl.int64) * T + t) * (L + 1)
    for lag in range(lags):
        x = _past(x_ptr, before_ptr, t - lag, n, mask, N, L)
        tl.store(target + lag, tl.sum((g * x).to(DTYPE), axis=1, keep_dims=True), mask=t < T)
