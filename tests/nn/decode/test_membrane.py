import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode

V = torch.tensor([[1.0, -3.0], [4.0, -1.0], [1.0, -2.0]]).unsqueeze(1)


def test_last_highest_and_mean():
    assert decode.last(V)[0].tolist() == [1, -2]
    assert decode.highest(V)[0].tolist() == [4, -1]
    assert decode.mean(V)[0].tolist() == [2, -2]


@pytest.mark.parametrize("function", [decode.last, decode.highest, decode.mean])
def test_an_empty_sequence_is_refused(function):
    with pytest.raises(ShapeError, match="expected at least one time step"):
        function(V[:0])
