import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import Dropout, Events


def recording(num=2000, size=(34, 34)):
    r = np.random.default_rng(0)
    middle = [r.integers(10, 24, num) for _ in range(2)]
    return Events.of(np.arange(num), *middle, r.integers(0, 2, num), size=size)


def test_dropout_drops_about_half_of_most():
    kept = [len(Dropout(most=0.4)(recording(), generator(0, k))) / 2000 for k in range(300)]
    assert np.mean(kept) == pytest.approx(0.8, abs=0.03)
    assert min(kept) > 0.55


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Dropout(most=1.5), r"Dropout.most: expected a probability, got 1.5"),
    ],
)
def test_senseless_amounts_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
