import contextlib

import pytest
import torch
from torch import nn

from ranvier.core.errors import ShapeError
from ranvier.measure.passes import check_sequence, looking


def test_looking_evaluates_without_gradients_and_restores_each_module_even_after_an_error():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    net[1].eval()
    with contextlib.suppress(ZeroDivisionError), looking(net):
        seen = (net.training, net[0].training, net(torch.ones(1, 2)).requires_grad)
        raise ZeroDivisionError
    assert seen == (False, False, False)
    assert [net.training, net[0].training, net[1].training] == [True, True, False]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 0, 4)])
def test_what_is_no_sequence_is_refused_by_name(shape):
    with pytest.raises(ShapeError, match=r"here: expected a tensor \(T, B, \.\.\.\) with T, B >= 1, got \("):
        check_sequence("here", torch.zeros(shape))
