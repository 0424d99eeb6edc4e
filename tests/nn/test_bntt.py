import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ShapeError, StateError
from ranvier.nn.steps import Steps


@pytest.fixture
def pair(seeded):
    """The layer and what it is defined by: one torch batch norm a step, without bias."""
    norm = rn.BNTT(3, 5).double()
    with torch.no_grad():
        norm.weight.normal_(generator=seeded)
    plain = [nn.BatchNorm2d(3, eps=1e-4).double() for _ in range(5)]
    for t, each in enumerate(plain):
        each.weight.data.copy_(norm.weight[t])
        each.bias.data.zero_()
    return norm, plain


@pytest.mark.parametrize("chunks", [(5,), (2, 3), (1, 1, 1, 1, 1)])
def test_training_is_one_batch_norm_a_step_in_any_chunks(pair, seeded, chunks):
    norm, plain = pair
    x = torch.randn(5, 6, 3, 2, 2, generator=seeded, dtype=torch.float64) * torch.arange(1, 6).reshape(5, 1, 1, 1, 1)
    expected = torch.stack([each(x_B) for each, x_B in zip(plain, x, strict=True)])
    state, rows = None, []
    for part in x.split(chunks):
        y, state = rn.run(norm, part, state)
        rows.append(y)
    torch.testing.assert_close(torch.cat(rows), expected, rtol=0, atol=1e-12)
    for t, each in enumerate(plain):
        each.eval()
        torch.testing.assert_close(norm.running_mean[t], each.running_mean)
        torch.testing.assert_close(norm.running_var[t], each.running_var)
    expected = torch.stack([each(x_B) for each, x_B in zip(plain, x, strict=True)])
    torch.testing.assert_close(norm.eval()(x), expected, rtol=0, atol=1e-12)


def test_elements_at_different_steps_can_stream_but_not_train(pair):
    norm, plain = pair
    state, x = Steps(torch.tensor([0, 4])), torch.ones(1, 2, 3, 2, 2, dtype=torch.float64)
    with pytest.raises(StateError, match=r"BNTT: expected all elements .* same step, got steps 0 to 4"):
        norm.run(x, state)
    norm.eval()
    norm.running_mean[4] = 1.0
    y, after = norm.run(x, state)
    assert y[0, 1].abs().max() == 0
    torch.testing.assert_close(y[0, 0], plain[0].eval()(x[0])[0])
    assert after.step.tolist() == [1, 5]


def test_more_steps_than_there_are_statistics_for_are_refused(pair):
    with pytest.raises(ShapeError, match="BNTT: expected at most 5 steps, got 6 steps"):
        pair[0](torch.zeros(6, 2, 3))


def test_an_empty_batch_has_no_step_to_differ_in(pair):
    norm = pair[0].eval()
    assert norm.run(torch.zeros(1, 0, 3, dtype=torch.float64), Steps(torch.zeros(0, dtype=torch.int64)))[0].numel() == 0


def test_it_says_what_it_is(pair):
    assert repr(pair[0]) == "BNTT(3, num_steps=5, eps=0.0001)"
