import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import Difference, Events


def slow(events, window, factor, noise):
    """Counts of every block in every window, written out."""
    rows, columns = -(-events.size[0] // factor), -(-events.size[1] // factor)
    first = int(events.t[0])
    num = events.duration // window + 2  # one more, in which all is at rest
    count = np.zeros((num + 1, rows, columns), int)
    for t, x, y in zip(events.t, events.x, events.y, strict=True):
        count[(int(t) - first) // window + 1, y // factor, x // factor] += 1
    change = np.diff(count, axis=0)
    return [
        (first + (k + 1) * window, x, y, int(change[k, y, x] > 0))
        for k, y, x in np.ndindex(*change.shape) if abs(change[k, y, x]) > noise
    ]  # fmt: skip


@pytest.mark.parametrize(("factor", "noise"), [(1, 0), (2, 0), (3, 2)])
def test_events_are_the_changes_of_the_counts(recording, factor, noise):
    events = recording()
    got = Difference(window=4.0, factor=factor, noise=noise)(events)
    columns = (c.tolist() for c in (got.t, got.x, got.y, got.polarity))
    want = slow(events, 4000, factor, noise)
    assert list(zip(*columns, strict=True)) == want
    assert 0 < len(want) < 13 * 2 * 35


def test_a_steady_block_is_seen_when_it_starts_and_when_it_ends():
    events = Events.of(np.arange(0, 100_000, 1000), [0] * 100, [0] * 100, [1] * 100, size=(2, 2))
    got = Difference(window=10.0)(events)
    assert list(zip(got.t.tolist(), got.polarity.tolist(), strict=True)) == [(10_000, 1), (110_000, 0)]


def test_no_events_give_none(recording):
    assert len(Difference(window=1.0)(recording(0))) == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": 0.0}, "Difference.window: expected a time"),
        ({"window": 1.0, "factor": 0}, "Difference.factor"),
        ({"window": 1.0, "noise": -1}, "Difference.noise: expected a number >= 0"),
    ],
)
def test_senseless_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        Difference(**options)
