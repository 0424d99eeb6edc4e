import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import DropArea, DropTime, Events, NumWindows


def test_a_stretch_of_time_goes_and_nothing_else():
    before = Events.of(np.arange(1000), np.zeros(1000, int), np.zeros(1000, int), np.ones(1000, int), size=(1, 1))
    gone = []
    for k in range(200):
        kept = DropTime(most=0.4)(before, generator(0, k)).t
        missing = np.setdiff1d(before.t, kept)
        assert len(missing) <= 401
        assert not len(missing) or missing[-1] - missing[0] + 1 == len(missing)  # one stretch
        gone.append(len(missing))
    assert np.mean(gone) == pytest.approx(200, abs=25)  # uniform on 0 .. 400: deviation of the mean 8.2


def test_a_rectangle_goes_and_nothing_else():
    y, x = np.indices((20, 30)).reshape(2, -1)
    before = Events.of(np.arange(600), x, y, np.ones(600, int), size=(20, 30))
    shares = []
    for k in range(200):
        gone = 1 - NumWindows(num=1)(DropArea(most=0.5)(before, generator(0, k)))[0, 1].numpy()
        rows, columns = gone.any(1), gone.any(0)
        np.testing.assert_array_equal(gone, np.outer(rows, columns))
        for line in (rows, columns):
            assert np.abs(np.diff(line.astype(int))).sum() <= 2  # one stretch
        shares.append(gone.mean())
    assert max(shares) <= 0.55
    assert np.mean(shares) == pytest.approx(0.25, abs=0.04)  # uniform on 0 .. 0.5: deviation of the mean 0.01


@pytest.mark.parametrize("kind", [DropTime, DropArea])
def test_nothing_is_dropped_of_nothing_or_by_nothing(kind):
    before = Events.of([1, 2], [0, 1], [0, 0], [1, 1], size=(1, 2))
    assert len(kind(most=0.0)(before, generator(0))) == 2
    assert len(kind()(before[:0], generator(0))) == 0
    with pytest.raises(ConfigError, match=f"{kind.__name__}.most: expected a probability, got 1.5"):
        kind(most=1.5)
