import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.train.losses import SmoothL1


def test_it_is_the_formula_written_out():
    o = torch.tensor([[[0.2, 3.0, -1.0]], [[1.1, 0.0, 0.4]]])
    errors = [0.2, 3.0 - 1, -1.0, 1.1, 0.0 - 1, 0.4]
    by_hand = sum(e * e / 2 if abs(e) < 1 else abs(e) - 0.5 for e in errors) / 6
    assert float(SmoothL1()(o, torch.tensor([1]))) == pytest.approx(by_hand)


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"SmoothL1\.width: expected a number > 0"):
        SmoothL1(width=0.0)
