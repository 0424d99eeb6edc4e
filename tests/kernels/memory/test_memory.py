"""The loop with its own way back against the plain one, and the plain one against numpy. T time, B batch, M, H units."""

import numpy as np
import pytest
import torch

from ranvier.kernels.memory import Update, loop, reference, run


def case(T=9, B=3, M=4, H=7, seed=0):
    draw = torch.Generator().manual_seed(seed)

    def number(*shape):
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    update = Update(number(M, H), number(H, M), number(M), torch.rand(M, generator=draw).double(), number(M))
    return number(T, B, H), number(B, M), update


def leaves(heard, start, update):
    return [x.clone().requires_grad_() for x in (heard, start, *update)]


def test_the_plain_loop_is_its_formula():
    heard, start, update = case()
    inward, outward, offset, kappa, reach = (x.numpy() for x in update)
    m, seen = start.numpy(), []
    for x in heard.numpy():
        m = kappa * m + reach * np.tanh(np.maximum(x + m @ inward, 0) @ outward + offset)
        seen.append(m)
    np.testing.assert_allclose(reference.run(heard, start, update).numpy(), np.stack(seen), rtol=1e-12)


@pytest.mark.parametrize("sizes", [(9, 3, 4, 7), (1, 1, 1, 1), (5, 17, 33, 65), (4, 0, 3, 2)])
def test_both_loops_give_the_same_values_and_gradients(sizes):
    given = case(*sizes)
    weight = torch.randn(reference.run(*given).shape, generator=torch.Generator().manual_seed(1)).double()
    results = []
    for way in (reference, loop):
        heard, start, *numbers = parts = leaves(*given)
        out = way.run(heard, start, Update(*numbers))
        results.append((out, torch.autograd.grad((out * weight).sum(), parts)))
    torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-9, atol=1e-9)
    for plain, ours in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_finite_differences():
    heard, start, update = case(T=3, B=2, M=2, H=3)
    assert torch.autograd.gradcheck(lambda h, s, *n: loop.run(h, s, Update(*n)), leaves(heard, start, update))


def test_parts_in_any_layout_give_the_bits_of_contiguous_ones():
    heard, start, update = case()
    spread = heard.transpose(0, 2).contiguous().transpose(0, 2)
    turned = Update(update.inward_MH.T.contiguous().T, *update[1:])
    torch.testing.assert_close(loop.run(spread, start, turned), loop.run(heard, start, update), rtol=1e-12, atol=0)


def test_nothing_that_was_given_is_written():
    heard, start, update = case()
    before = [x.clone() for x in (heard, start, *update)]
    heard.requires_grad_()
    loop.run(heard, start, update).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, (heard.detach(), start, *update), strict=True))


def test_mixed_types_run_in_the_plain_loop():
    heard, start, update = case()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = run(heard.float(), start.float(), Update(*(x.float() for x in update)))
    torch.testing.assert_close(mixed.double(), reference.run(heard, start, update), rtol=0.1, atol=0.2)
