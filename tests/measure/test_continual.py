"""Against numbers worked out by hand from the definitions of the papers."""

import math

import numpy as np
import pytest

from ranvier.core.errors import ShapeError
from ranvier.measure import Continual

# Rows: after learning task 1, 2, 3; columns: judged on task 1, 2, 3.
FOUND = Continual(np.array([[0.9, 0.3, 0.1], [0.95, 0.8, 0.2], [0.6, 0.7, 1.0]]), np.array([0.1, 0.1, 0.15]))


def test_average_accuracy_is_the_mean_of_the_last_row():
    assert FOUND.average == pytest.approx((0.6 + 0.7 + 1.0) / 3)


def test_learned_is_the_mean_of_the_diagonal_and_later_leaves_out_the_first_task():
    assert FOUND.learned == pytest.approx((0.9 + 0.8 + 1.0) / 3)
    assert FOUND.later == pytest.approx((0.8 + 1.0) / 2)


def test_backward_transfer_compares_the_end_with_right_after_learning():
    assert FOUND.backward == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)


def test_forgetting_compares_the_end_with_the_best_before():
    assert FOUND.forgetting == pytest.approx(((0.95 - 0.6) + (0.8 - 0.7)) / 2)


def test_forward_transfer_compares_just_before_learning_with_an_untrained_network():
    assert FOUND.forward == pytest.approx(((0.3 - 0.1) + (0.2 - 0.15)) / 2)


def test_a_single_task_has_nothing_to_transfer():
    one = Continual(np.array([[0.7]]), np.array([0.1]))
    assert one.average == one.learned == pytest.approx(0.7)
    assert all(math.isnan(value) for value in (one.backward, one.forward, one.forgetting, one.later))


def test_what_is_no_square_of_shares_is_refused():
    with pytest.raises(ShapeError) as caught:
        Continual(np.zeros((2, 3)), np.zeros(3))
    assert "Continual: expected accuracies (K, K) and (K,), K >= 1, got (2, 3) and (3,)." in str(caught.value)
    with pytest.raises(ValueError, match=r"expected shares in \[0, 1\]"):
        Continual(np.array([[90.0]]), np.zeros(1))
