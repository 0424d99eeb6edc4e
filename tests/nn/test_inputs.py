import re

import pytest
import torch

from ranvier.core.errors import DtypeError, NonFiniteError, ShapeError
from ranvier.nn.inputs import check_finite, check_sequence


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (torch.zeros(4), ShapeError, "L: expected an input (T, B, ...) with at least 2 axes, got (4,). A batch of one"),
        (torch.zeros(0, 2), ShapeError, "L: expected at least one time step, got an empty sequence of shape (0, 2)."),
        (torch.zeros(2, 2, dtype=torch.int64), DtypeError, "L: expected a floating input, got torch.int64. Convert it"),
        (torch.zeros(2, 2, dtype=torch.bool), DtypeError, "got torch.bool"),
        (torch.zeros(2, 2, dtype=torch.complex64), DtypeError, "got torch.complex64"),
        ([[1.0]], DtypeError, "L: expected a tensor (T, B, ...), got a list."),
    ],
)
def test_what_is_no_sequence_is_refused(x, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        check_sequence("L", x)


def test_indices_are_welcome_where_they_are_meant():
    check_sequence("L", torch.zeros(2, 2, dtype=torch.int64), integers=True)
    with pytest.raises(DtypeError):
        check_sequence("L", torch.zeros(2, 2, dtype=torch.complex64), integers=True)


def test_nan_and_infinity_are_counted_and_the_first_is_named():
    x = torch.zeros(3, 2, 4)
    x[1, 0, 2], x[2, 1, 3] = float("nan"), float("-inf")
    with pytest.raises(NonFiniteError, match=re.escape("2 of 24 values that are NaN or infinite, the first at index")):
        check_finite("net", x)
    with pytest.raises(NonFiniteError, match=re.escape("(1, 0, 2): nan")):
        check_finite("net", x)


def test_opposite_infinities_do_not_hide_each_other():
    with pytest.raises(NonFiniteError, match="2 of 4"):
        check_finite("net", torch.tensor([[float("inf"), 0.0], [float("-inf"), 0.0]]))


def test_a_sum_that_overflows_is_no_fault():
    check_finite("net", torch.full((100, 2), 60000.0, dtype=torch.float16))
    check_finite("net", torch.full((4, 2), 3e38))


def test_whole_numbers_and_other_devices_are_not_read():
    check_finite("net", torch.zeros(2, 2, dtype=torch.int64))
    check_finite("net", torch.zeros(2, 2, device="meta"))
