from collections import Counter

import numpy as np
import pytest

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data import Events, Mix, merge


def grid(polarity, start=0):
    """One event at each of 10 x 10 pixels and 10 times."""
    t, y, x = np.indices((10, 10, 10)).reshape(3, -1)
    return Events.of(t + start, x, y, np.full(1000, polarity), size=(10, 10))


def test_merging_keeps_every_event_in_order_of_time():
    r = np.random.default_rng(0)
    parts = [
        Events.of(np.sort(r.integers(0, 50, n)), *r.integers(0, 3, (2, n)), r.integers(0, 2, n), size=(3, 3))
        for n in (40, 60)
    ]
    both = merge(*parts)
    assert (np.diff(both.t) >= 0).all()
    rows = [Counter(zip(*(c.tolist() for c in (e.t, e.x, e.y, e.polarity)), strict=True)) for e in (*parts, both)]
    assert rows[0] + rows[1] == rows[2]


def test_inside_a_box_lies_the_other_and_outside_the_first():
    shares = []
    for k in range(100):
        mixed = Mix(most=0.6)(grid(0), grid(1, start=500), generator(0, k))
        assert len(mixed.events) == 1000  # each place and time once, from the one or the other
        volume = np.zeros((10, 10, 10), int)
        volume[mixed.events.t, mixed.events.y, mixed.events.x] = mixed.events.polarity
        inside = [volume.any(axes) for axes in ((1, 2), (0, 2), (0, 1))]
        np.testing.assert_array_equal(volume, np.einsum("t,y,x->tyx", *inside))
        assert mixed.share == pytest.approx(1 - volume.mean())
        shares.append(mixed.share)
    assert 0.6 < np.mean(shares) < 0.8  # 0.7 expected
    assert min(shares) < 0.5


def test_mixing_with_nothing():
    empty = grid(0)[:0]
    assert Mix()(empty, empty, generator(0)).share == 1.0
    assert len(Mix(most=1.0)(empty, grid(1), generator(1)).events) > 0
    whole = Mix(most=0.0)(grid(0), grid(1), generator(0))
    assert whole.share == 1.0
    assert len(whole.events) == 1000


def test_recordings_of_two_sensors_do_not_mix():
    other = Events.of([0], [0], [0], [0], size=(3, 4))
    with pytest.raises(ShapeError, match=r"Mix: expected a second recording of \(10, 10\), got \(3, 4\)"):
        Mix()(grid(0), other, generator(0))
    with pytest.raises(ShapeError, match="merge: expected a second recording"):
        merge(grid(0), other)
    with pytest.raises(ConfigError, match="Mix.most: expected a probability, got 2"):
        Mix(most=2)
