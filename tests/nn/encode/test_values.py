import re

import pytest
import torch

from ranvier.core.errors import ConfigError, DtypeError
from ranvier.nn.encode.values import check_values


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_values_outside_the_unit_interval_are_refused(bad):
    with pytest.raises(ConfigError, match=re.escape("e: expected values in [0, 1], got values in [")):
        check_values("e", torch.tensor([0.5, bad]))
    check_values("e", torch.tensor([0.5, bad]), unit=False)


def test_whole_numbers_and_no_steps_are_refused():
    with pytest.raises(DtypeError, match="e: expected floating values, got torch.uint8. Divide counts or pixels"):
        check_values("e", torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="e.num_steps: expected at least 1, got 0"):
        check_values("e", torch.zeros(3), num_steps=0)


def test_nothing_is_fine():
    check_values("e", torch.zeros(0))
