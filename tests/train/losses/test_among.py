"""Axes: T time, B batch, K classes."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.train.losses import Among, RateCrossEntropy


def test_it_is_the_loss_of_its_own_outputs_and_leaves_the_others_without_gradient():
    o_TBK = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y_B = torch.tensor([0, 1, 1, 0])
    loss = Among(start=2, stop=4)(o_TBK, y_B)
    torch.testing.assert_close(loss, cross_entropy(o_TBK.detach().mean(0)[:, 2:4], y_B))
    loss.backward()
    assert torch.equal(o_TBK.grad[..., [0, 1, 4, 5]], torch.zeros(3, 4, 4))
    assert o_TBK.grad[..., 2:4].abs().min() > 0


def test_decisions_are_counted_from_the_first_of_its_outputs():
    o_TBK = torch.tensor([[[9.0, 0.0, 1.0, 2.0], [9.0, 3.0, 1.0, 2.0]]])
    assert Among(start=1, stop=4).decide(o_TBK).tolist() == [2, 0]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError) as caught:
        Among(start=2, stop=2, loss=RateCrossEntropy())
    assert "Among.stop: expected a number > 2, got 2." in str(caught.value)
    with pytest.raises(ShapeError) as caught:
        Among(start=0, stop=4)(torch.zeros(2, 1, 3), torch.zeros(1).long())
    assert "Among: expected outputs (T, B, K), K >= 4, got (2, 1, 3)." in str(caught.value)
