import numpy as np
import pytest
import torch

from ranvier.train.activity import Tally, total_spikes


def test_rate_dead_saturated_and_spikes_are_those_counted_by_hand():
    """Four neurons, one silent, one that fires always, over two batches of 20 steps."""
    s_TBN = torch.zeros(20, 3, 4)
    s_TBN[:, :, 1] = 1
    s_TBN[0, :, 2] = 1
    s_TBN[:, 0, 3] = 1
    tally = Tally()
    tally.add("a", s_TBN.reshape(20, 3, 2, 2)[:, :2])
    tally.add("a", s_TBN.reshape(20, 3, 2, 2)[:, 2:])
    tally.add("b", torch.zeros(20, 3, 1))
    found = tally.activity()
    a = found["a"]
    assert a.num_neurons == 4
    np.testing.assert_allclose(a.rate, (60 + 3 + 20) / (4 * 3 * 20))
    assert a.dead == 0.25
    assert a.saturated == 0.25
    np.testing.assert_allclose(a.spikes, 83 / 3)
    assert found["b"].dead == 1.0
    np.testing.assert_allclose(total_spikes(found), 83 / 3)


def test_graded_spikes_count_by_their_size_and_fire_if_not_zero():
    tally = Tally()
    tally.add("a", torch.tensor([[[2.0, 0.0]], [[-1.0, 0.0]]]))
    a = tally.activity()["a"]
    assert a.rate == pytest.approx(0.25)
    assert a.saturated == 0.5
    assert a.dead == 0.5


def test_nothing_seen_is_nothing_found():
    assert Tally().activity() == {}
    assert total_spikes({}) == 0
