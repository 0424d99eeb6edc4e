import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import Events, PolarityFlip


def recording(num=2000, size=(34, 34)):
    r = np.random.default_rng(0)
    middle = [r.integers(10, 24, num) for _ in range(2)]
    return Events.of(np.arange(num), *middle, r.integers(0, 2, num), size=size)


def test_a_flip_swaps_all_polarities_or_none():
    before = recording()
    flipped = [(PolarityFlip()(before, generator(0, k)).polarity != before.polarity).mean() for k in range(50)]
    assert set(flipped) == {0.0, 1.0}
    assert (PolarityFlip(probability=0.0)(before, generator(0)).polarity == before.polarity).all()


def test_twice_gives_the_recording_back():
    before, always = recording(), PolarityFlip(probability=1.0)
    once = always(before, generator(0))
    np.testing.assert_array_equal(once.polarity, 1 - before.polarity)
    np.testing.assert_array_equal(always(once, generator(0)).polarity, before.polarity)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: PolarityFlip(probability=-0.1), r"PolarityFlip.probability"),
    ],
)
def test_senseless_amounts_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
