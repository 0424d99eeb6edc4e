"""Which inputs the synapses of a branch hear."""

import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn import Branches


def test_windows_start_at_equal_distances_and_end_with_the_inputs():
    # 7 inputs on 3 branches: one every ceil(7 / 3) = 3 places, 4 synapses each.
    found = Branches(num=3, synapses=4, interleave=False).sources(7)
    assert found.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, -1, -1, -1]]


@pytest.mark.parametrize(("inputs", "order"), [(6, [0, 3, 1, 4, 2, 5]), (5, [0, 3, 1, 4, 2])])
def test_interleaved_halves_alternate_and_every_input_is_heard_once(inputs, order):
    assert Branches(num=1, synapses=inputs).sources(inputs)[0].tolist() == order


def test_the_published_sizes_reach_every_input():
    found = Branches().sources(1278)
    assert found.shape == (45, 100)
    assert set(found.flatten().tolist()) == {*range(1278), -1}


def test_random_routing_follows_its_seed_and_reaches_the_whole_range():
    one = Branches(num=10, synapses=200, routing="random").sources(50)
    assert torch.equal(one, Branches(num=10, synapses=200, routing="random").sources(50))
    assert not torch.equal(one, Branches(num=10, synapses=200, routing="random", seed=1).sources(50))
    assert set(one.flatten().tolist()) == set(range(50))


def test_what_makes_no_branches_is_refused():
    with pytest.raises(ConfigError, match=r"^Branches\.synapses: expected at least 1, got 0\.$"):
        Branches(synapses=0)
    with pytest.raises(ConfigError, match=r"^Branches\.routing: expected \"windows\" or \"random\", got 'near'\.$"):
        Branches(routing="near")
