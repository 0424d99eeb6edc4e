"""What every loss has in common, over all that the room exports."""

import pytest
import torch

from ranvier.core.errors import DtypeError, ShapeError
from ranvier.train import losses

# ``Among`` is a part of the outputs, as another loss judges them: test_among.py.
ALL = [getattr(losses, name) for name in losses.__all__ if name not in ("Objective", "Among")]


def batch(num=4):
    g = torch.Generator().manual_seed(0)
    return torch.rand(6, num, 3, generator=g, dtype=torch.float64), torch.arange(num) % 3


@pytest.mark.parametrize("loss", ALL)
def test_it_is_a_mean_over_the_batch(loss):
    o, y = batch()
    parts = [loss()(o[:, :1], y[:1]) * 0.25, loss()(o[:, 1:], y[1:]) * 0.75]
    torch.testing.assert_close(loss()(o, y), sum(parts), rtol=1e-12, atol=0)


@pytest.mark.parametrize("loss", ALL)
def test_the_right_outputs_cost_less_and_are_decided_for(loss):
    y = torch.tensor([0, 1, 2])
    right = torch.eye(3, dtype=torch.float64).repeat(6, 1, 1)
    assert loss()(right, y) < loss()(right, (y + 1) % 3)
    assert torch.equal(loss().decide(right), y)


@pytest.mark.parametrize("loss", ALL)
def test_bad_input_is_refused_by_name(loss):
    o, y = batch()
    name = loss.__name__
    with pytest.raises(
        ShapeError, match=rf"^{name}: expected outputs \(T, B, K\), none of them 0, got \(4, 3\)\. Time"
    ):
        loss()(o[0], y)
    with pytest.raises(ShapeError, match=rf"^{name}: .* got \(0, 4, 3\)"):
        loss()(o[:0], y)
    with pytest.raises(DtypeError, match=rf"^{name}: expected floating outputs, got torch\.int64"):
        loss()(o.long(), y)
    with pytest.raises(ShapeError, match=rf"^{name}: expected targets \(B,\) = \(4,\), got \(3,\)"):
        loss()(o, y[:3])
    with pytest.raises(DtypeError, match=rf"^{name}: expected classes as integers, got torch\.float32"):
        loss()(o, y.float())
    with pytest.raises(
        ShapeError, match=rf"^{name}: expected classes from 0 to 2, as the network has 3 outputs, got 0 to 3"
    ):
        loss()(o, torch.tensor([0, 1, 2, 3]))
    with pytest.raises(ShapeError, match=rf"^{name}: .* got -1 to 2"):
        loss()(o, torch.tensor([-1, 1, 2, 2]))
