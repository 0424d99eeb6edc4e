import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode

S = torch.tensor([[[1.0, 0, 0]], [[1, 0, 1]], [[0, 0, 1]], [[1, 0, 0]]])


def test_mean_and_count():
    assert decode.rate(S)[0].tolist() == [0.75, 0.0, 0.5]
    assert decode.count(S)[0].tolist() == [3, 0, 2]


def test_an_empty_sequence_is_refused():
    for function in (decode.rate, decode.count):
        with pytest.raises(ShapeError, match="expected at least one time step"):
            function(S[:0])
