"""The GPU's window over the past against torch's operators, on a GPU or, with TRITON_INTERPRET=1, interpreted.

Run by ``tests/kernels/gpu/test_launch.py`` and ``test_cuda.py`` in processes of their own.
"""

import os

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ranvier.kernels import scan
from ranvier.kernels.gpu.window import BLOCK, ROWS, window

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Put tensors on the device and fill fresh ones with NaN."""
    torch.use_deterministic_algorithms(True)
    with torch.device(DEVICE):
        assert torch.empty(3).isnan().all()
        yield
    torch.use_deterministic_algorithms(False)


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype, device="cpu").to(DEVICE)


@pytest.mark.parametrize(("T", "L", "shape"), [
    (1, 0, (1,)), (1, 3, (2,)), (6, 0, (2, 3)), (ROWS, 2, (2, 3)), (ROWS + 1, 7, (3, 1, 2)), (3, 2 * ROWS, (2, 5)),
    (5, 2, (2, BLOCK)), (4, 3, (3, BLOCK + 1)), (2 * ROWS + 3, 1, (1, 2 * BLOCK - 1)), (5, 2, (0, 4)), (0, 2, (2, 2)),
])  # fmt: skip
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_it_is_what_torch_computes(T: int, L: int, shape: tuple[int, ...], fixed: bool, own: bool):
    x, before = draw(T, *shape, seed=0), draw(L, *shape, seed=1)
    weight, grad = draw(1 if fixed else T, shape[0] if own else 1, L + 1, seed=2), draw(T, *shape, seed=3)
    results = []
    for function in (window, scan.window):
        leaves = [v.clone().requires_grad_() for v in (x, before, weight)]
        h_TB = function(*leaves)
        results.append(
            (h_TB.detach(), *torch.autograd.grad(h_TB, leaves, grad, allow_unused=True, materialize_grads=True))
        )
    for ours, law in zip(*results, strict=True):
        assert ours.shape == law.shape
        assert_close(ours, law, rtol=1e-12, atol=1e-12)


def test_chunks_are_the_whole_to_the_last_bit():
    x, before, weight = (
        draw(*s, seed=k, dtype=torch.float32) for k, s in enumerate([(19, 2, 3), (4, 2, 3), (1, 1, 5)])
    )
    whole = window(x, before, weight)
    parts = [window(x[:7], before, weight), window(x[7:], x[3:7], weight)]
    assert torch.equal(torch.cat(parts), whole)


def test_strided_inputs_are_read_right_and_results_are_the_same_every_time():
    x, before, weight = draw(6, 5, 2, seed=0), draw(2, 5, 2, seed=1), draw(6, 1, 3, seed=2)
    strided = [v.transpose(0, -1).contiguous().transpose(0, -1).requires_grad_() for v in (x, before, weight)]
    first, second = (torch.autograd.grad(window(*strided).square().sum(), strided) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(window(*strided), window(x, before, weight))


def test_the_operator_has_a_shape_without_running():
    x, before, weight = draw(6, 5, seed=0), draw(2, 5, seed=1), draw(6, 1, 3, seed=2)
    assert torch.library.opcheck(torch.ops.ranvier.window.default, (x, before, weight, 1))


def test_gradients_are_finite_differences():
    leaves = [v.requires_grad_() for v in (draw(4, 2, seed=0), draw(2, 2, seed=1), draw(4, 2, 3, seed=2))]
    assert torch.autograd.gradcheck(window, leaves)
