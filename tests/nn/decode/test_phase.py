import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode


def test_weights_are_halved_every_step_of_a_period():
    s = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    assert decode.phase(s, num_phases=4).tolist() == [0.5 + 0.125 + 0.0625]
    assert decode.phase(s, num_phases=2).tolist() == [(0.5 + 0.5 + 0.25) / 2]


@pytest.mark.parametrize("k", [0, 3])
def test_broken_periods_are_refused(k):
    with pytest.raises(ShapeError, match=f"decode.phase: expected whole periods of {k} steps, got 4 steps"):
        decode.phase(torch.zeros(4, 1), num_phases=k)
