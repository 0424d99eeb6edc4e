import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ConfigError
from ranvier.data import Events, Integrate


def slow(events, factor, threshold):
    """A counter for each block, event by event."""
    counters, out = {}, []
    for t, x, y, p in zip(events.t, events.x, events.y, events.polarity, strict=True):
        block = int(y) // factor, int(x) // factor
        counters[block] = counters.get(block, 0) + (1 if p else -1)
        if abs(counters[block]) == threshold:
            out.append((int(t), block[1], block[0], int(counters[block] > 0)))
            counters[block] = 0
    return out, counters


@given(
    num=st.integers(0, 300), seed=st.integers(0, 99), factor=st.integers(1, 8), threshold=st.integers(1, 5),
    drift=st.floats(0, 1),
)  # fmt: skip
def test_events_are_those_of_a_counter_for_each_block(num, seed, factor, threshold, drift):
    r = np.random.default_rng(seed)
    columns = (np.sort(r.integers(0, 99, num)), r.integers(0, 7, num), r.integers(0, 5, num), r.random(num) < drift)
    events = Events.of(*columns, size=(5, 7))
    got = Integrate(factor=factor, threshold=threshold)(events)
    want, rest = slow(events, factor, threshold)
    assert list(zip(*(c.tolist() for c in (got.t, got.x, got.y, got.polarity)), strict=True)) == want
    assert got.size == (-(-5 // factor), -(-7 // factor))
    signed = [(2 * e.polarity.astype(int) - 1).sum() for e in (events, got)]
    assert signed[0] == threshold * signed[1] + sum(rest.values())


def test_with_threshold_1_no_event_is_lost(recording):
    events = recording()
    got = Integrate(factor=3)(events)
    assert len(got) == len(events)
    np.testing.assert_array_equal(got.polarity, events.polarity)


@pytest.mark.parametrize("options", [{"factor": 0}, {"threshold": 0}])
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"Integrate.{next(iter(options))}: expected a number >= 1, got 0"):
        Integrate(**options)
