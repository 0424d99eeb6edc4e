import numpy as np
import pytest
import torch

from ranvier.kernels.scan import window


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("T", "L"), [(1, 0), (1, 3), (6, 0), (6, 2), (3, 7)])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_a_window_is_its_sum(T, L, fixed, own):
    x, before, weight = draw(T, 2, 3), draw(L, 2, 3, seed=1), draw(1 if fixed else T, 2 if own else 1, L + 1, seed=2)
    wide = weight.expand(T, 2, L + 1).numpy()[:, :, None]
    both = np.concatenate([before.numpy(), x.numpy()])
    expected = [sum(wide[t, ..., lag] * both[L + t - lag] for lag in range(L + 1)) for t in range(T)]
    np.testing.assert_allclose(window(x, before, weight).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_finite_differences():
    leaves = [v.requires_grad_() for v in (draw(4, 2), draw(2, 2, seed=1), draw(4, 1, 3, seed=2))]
    assert torch.autograd.gradcheck(window, leaves)


def test_chunks_are_the_whole_to_the_last_bit():
    x, before, weight = draw(9, 2, 3).float(), draw(2, 2, 3).float(), draw(1, 1, 3).float()
    whole = window(x, before, weight)
    parts = [window(x[:4], before, weight), window(x[4:], x[2:4], weight)]
    assert torch.equal(torch.cat(parts), whole)
