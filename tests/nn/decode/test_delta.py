import re

import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.nn import decode


def test_on_adds_and_off_takes():
    s = torch.tensor([[0.0, 1.0], [0.0, 2.0], [1.0, 0.0]]).unsqueeze(1)
    assert decode.delta(s, threshold=0.5, start_B=1.0).flatten().tolist() == [1.5, 2.5, 2.0]


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 3)])
def test_what_has_no_two_polarities_is_refused(shape):
    with pytest.raises(ShapeError, match=re.escape(f"expected counts (T, B, 2, ...) of OFF and ON, got {shape}")):
        decode.delta(torch.zeros(shape), threshold=1.0)
