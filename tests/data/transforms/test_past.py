import numpy as np

from ranvier.data.transforms.past import counts_around, fired_around


def test_each_neighbour_is_counted_apart_and_the_border_is_empty(recording):
    events = recording(120, last=2000)
    t, x, y = (c.astype(int) for c in (events.t, events.x, events.y))
    offsets = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]
    got = list(counts_around(events, radius=2, window=300))
    assert len(got) == len(offsets)
    for (dy, dx), counts in zip(offsets, got, strict=True):
        hits = (x == x[:, None] + dx) & (y == y[:, None] + dy) & (t[:, None] - t <= 300)
        np.testing.assert_array_equal(counts, np.tril(hits, -1).sum(1))


def test_the_latest_event_of_a_neighbour_tells_whether_there_was_one(recording):
    for events in (recording(400, last=3000), recording(1), recording(0)):
        for window in (1, 300, 10_000):
            counts = list(counts_around(events, radius=1, window=window))
            fired = list(fired_around(events, window=window))
            assert len(fired) == 8
            np.testing.assert_array_equal(np.array(fired), np.array(counts) > 0)
