import pytest
import torch

from ranvier.core.errors import StateError
from ranvier.nn.steps import Steps, after, places, spread

X = torch.zeros(3, 2, 4)


def test_places_count_from_rest_or_from_the_state():
    assert places("L", X, None, 3).tolist() == [[0], [1], [2]]
    assert places("L", X, Steps(torch.tensor([0, 5])), 8).tolist() == [[0, 5], [1, 6], [2, 7]]
    assert places("L", X[:, :0], Steps(torch.zeros(0, dtype=torch.int64)), 3).shape == (3, 0)


def test_the_state_counts_what_was_seen():
    assert after(X, None).step.tolist() == [3, 3]
    assert after(X, Steps(torch.tensor([1, 2]))).step.tolist() == [4, 5]


def test_a_place_outside_is_refused():
    with pytest.raises(StateError, match="L: expected at most 8 steps, got 3 more steps from step 6"):
        places("L", X, Steps(torch.tensor([0, 6])), 8)
    with pytest.raises(StateError, match="got 3 more steps from step -1"):
        places("L", X, Steps(torch.tensor([-1, 0])), 8)


def test_values_are_spread_over_the_axes_behind():
    assert spread(torch.zeros(3, 2), torch.zeros(3, 2, 4, 5, 5)).shape == (3, 2, 1, 1, 1)
    assert spread(torch.zeros(3, 1, 4), torch.zeros(3, 2, 4, 5, 5)).shape == (3, 1, 4, 1, 1)
