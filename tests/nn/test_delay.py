import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import UnitError

X = torch.arange(1.0, 7.0).reshape(6, 1, 1) * torch.tensor([1.0, 10.0])


@pytest.mark.parametrize("steps", [0, 1, 3, 6, 9])
def test_what_comes_out_is_what_went_in_some_steps_ago(steps):
    expected = [0.0] * min(steps, 6) + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0][: max(0, 6 - steps)]
    assert rn.Delay(steps)(X)[:, 0, 0].tolist() == expected


def test_nothing_under_way_is_lost():
    _, state = rn.Delay(4).run(X)
    assert state.past.shape == (1, 4, 2)
    assert torch.equal(rn.Delay(4).run(torch.zeros(4, 1, 2), state)[0], X[2:])


def test_a_delay_may_be_a_time():
    assert rn.Delay("5 ms", dt=0.5).num_steps == 10
    assert repr(rn.Delay("2 ms")) == "Delay(2 steps)"
    with pytest.raises(UnitError, match=r"Delay.delay: expected a duration of no or at least one step"):
        rn.Delay(-1)


def test_gradients_arrive_late():
    x = X.clone().requires_grad_()
    rn.Delay(2)(x)[3].sum().backward()
    assert x.grad.abs().sum((1, 2)).tolist() == [0, 2, 0, 0, 0, 0]
