from collections import deque

import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import EventQueue


def slow(events, depth, at):
    """A queue at each pixel, filled event by event."""
    queues = {}
    for t, x, y, p in zip(events.t, events.x, events.y, events.polarity, strict=True):
        if t <= at:
            queues.setdefault((y, x), deque(maxlen=depth)).appendleft((int(t), int(p)))
    out = np.zeros((depth, 2, *events.size))
    for (y, x), queue in queues.items():
        for k, (t, p) in enumerate(queue):
            out[k, :, y, x] = (at - t) / 1000, 2 * p - 1
    return out


@pytest.mark.parametrize("depth", [1, 4, 30])
def test_the_queues_are_those_filled_event_by_event(recording, same_on_device, depth):
    events = recording()
    got = same_on_device(EventQueue(depth=depth), events)
    np.testing.assert_allclose(got, slow(events, depth, int(events.t[-1])), rtol=1e-6)
    np.testing.assert_allclose(EventQueue(depth=depth, at=20.0)(events), slow(events, depth, 20_000), rtol=1e-6)


def test_a_queue_that_is_deep_enough_holds_every_event(recording):
    events = recording()
    got = EventQueue(depth=300)(events)
    assert int(got[:, 1].abs().sum()) == 300
    assert int(got[:, 1].sum()) == int((events.polarity * 2.0 - 1).sum())


def test_no_events_give_zeros(recording):
    assert not EventQueue()(recording(0)).any()
    with pytest.raises(ConfigError, match="EventQueue.depth: expected a number >= 1, got 0"):
        EventQueue(depth=0)
