import re

import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode


def test_equal_spikes_meet_in_the_middle_and_silence_too():
    s = torch.zeros(3, 2, 4)
    s[0, 0, 1] = s[0, 0, 2] = 1
    assert decode.population(s, low=0.0, high=2.0).tolist() == [1.0, 1.0]


def test_one_spike_is_its_centre():
    s = torch.zeros(3, 1, 4)
    s[1, 0, 3] = 1
    assert decode.population(s, low=0.0, high=2.0).tolist() == [2.5]


@pytest.mark.parametrize("shape", [(3, 4), (3, 1, 2)])
def test_too_few_neurons_are_refused(shape):
    with pytest.raises(ShapeError, match=re.escape(f"expected spikes (T, B, ..., N) of N >= 3 neurons, got {shape}")):
        decode.population(torch.zeros(shape))
