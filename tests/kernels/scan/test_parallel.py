import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.kernels.scan import reference, scan


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    T=st.integers(1, 40),
    K=st.integers(1, 3),
    fixed=st.booleans(),
    shape=st.sampled_from([(), (1,), (3,), (2, 5), (0, 4)]),
)
def test_the_scan_is_the_loop(T, K, fixed, shape):
    A, b, start = draw(1 if fixed else T, K, K, *shape) * 0.6, draw(T, K, *shape, seed=1), draw(K, *shape, seed=2)
    torch.testing.assert_close(scan(A, b, start), reference.scan(A, b, start), rtol=1e-9, atol=1e-9)


def test_the_loop_is_the_closed_form_of_a_decaying_sum():
    a, T = 0.9, 30
    b = draw(T)
    closed = torch.stack([sum(a ** (t - j) * b[j] for j in range(t + 1)) + a ** (t + 1) * 2.0 for t in range(T)])
    got = reference.scan(torch.full((1, 1, 1), a, dtype=b.dtype), b[:, None], torch.tensor([2.0]).double())
    torch.testing.assert_close(got[:, 0], closed)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("T", [1, 5])
def test_gradients_and_their_gradients_are_finite_differences(fixed, K, T):
    A, b, start = draw(1 if fixed else T, K, K, 1) * 0.5, draw(T, K, 2, seed=1), draw(K, 2, seed=2)
    leaves = [x.requires_grad_() for x in (A, b, start)]
    assert torch.autograd.gradcheck(scan, leaves)
    assert torch.autograd.gradgradcheck(scan, leaves)


def test_gradients_equal_autograd_through_the_loop_over_long_sequences():
    A, b, start = draw(1, 2, 2, 4) * 0.4, draw(200, 2, 3, 4, seed=1), draw(2, 3, 4, seed=2)
    seen = []
    for function in (reference.scan, scan):
        leaves = [x.clone().requires_grad_() for x in (A[:, :, :, None], b, start)]
        out = function(*leaves)
        seen.append(torch.autograd.grad((out * draw(*out.shape, seed=3)).sum(), leaves))
    for law, ours in zip(*seen, strict=True):
        assert law.abs().max() > 0
        torch.testing.assert_close(ours, law, rtol=1e-8, atol=1e-8)


def test_chunks_are_the_whole_to_rounding():
    A, b, start = draw(50, 1, 1, 7).tanh(), draw(50, 1, 7, seed=1), draw(1, 7, seed=2)
    first = scan(A[:13], b[:13], start)
    second = scan(A[13:], b[13:], first[-1])
    torch.testing.assert_close(torch.cat([first, second]), scan(A, b, start), rtol=1e-12, atol=1e-12)


def test_an_empty_sequence_is_empty():
    assert scan(draw(1, 2, 2, 3), draw(0, 2, 3), draw(2, 3)).shape == (0, 2, 3)
