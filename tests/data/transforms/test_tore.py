import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import TORE


def slow(events, depth, shortest, longest, at):
    out = np.zeros((depth, 2, *events.size))
    for p, y, x in np.ndindex(2, *events.size):
        hit = (events.polarity == p) & (events.y == y) & (events.x == x) & (events.t <= at)
        ages = [at - t for t in events.t[hit].tolist()[::-1]][:depth]
        ages += [longest] * (depth - len(ages))
        out[:, p, y, x] = [max(0, np.log(1 + min(age, longest)) - np.log(1 + shortest)) for age in ages]
    return out


def test_volumes_agree_with_the_equation(recording, same_on_device):
    events = recording()
    got = same_on_device(TORE(depth=3, shortest="500 us", longest=20.0), events)
    np.testing.assert_allclose(got, slow(events, 3, 500, 20_000, int(events.t[-1])), rtol=1e-5, atol=1e-6)
    assert (got == 0).any()
    early = TORE(depth=3, at=25.0)(events)
    np.testing.assert_allclose(early, slow(events, 3, 150, 5_000_000, 25_000), rtol=1e-5)


def test_the_queue_is_ordered_from_the_latest_on(recording):
    assert (TORE(depth=4)(recording()).diff(dim=0) >= 0).all()


def test_no_events_are_as_old_as_can_be(recording):
    np.testing.assert_allclose(TORE(depth=2)(recording(0)), np.log(5e6 + 1) - np.log(151), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"depth": 0}, "TORE.depth"),
        ({"shortest": 0.0}, "TORE.shortest: expected a time of at least 1 us"),
        ({"shortest": 1.0, "longest": 1.0}, "TORE.shortest: expected a time below longest, 1.0"),
    ],
)
def test_senseless_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        TORE(**options)
