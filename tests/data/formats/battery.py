"""What every format of event recordings is put through: events to write, and files to break."""

import numpy as np

from ranvier.core.errors import RanvierError
from ranvier.data import Events, open_events
from ranvier.data.formats import FORMATS

BY_NAME = {known.name: known for known in FORMATS}
SIZE = {"aedat2": (180, 240), "nmnist_bin": (34, 34)}
BINARY = ("dat", "evt2", "evt21", "evt3", "aedat2", "aedat3", "aedat4", "es", "nmnist_bin", "npy")
# The longest gap that a test may ask of a format whose writer bridges gaps by filling them (us).
LONGEST_GAP = {"es": 1 << 20, "nmnist_bin": 1 << 26, "evt3": 1 << 34, "evt2": 1 << 44, "evt21": 1 << 44}
# The latest time of formats that count from 0 without a header to say otherwise.
LATEST = {"es": 1 << 22, "nmnist_bin": 1 << 30}


def some_events(num, seed=0, *, name="", gap=200, start=0):
    """Events with ties in time, neighbours in a row, and a few long gaps."""
    r = np.random.default_rng(seed)
    height, width = SIZE.get(name, (48, 64))
    steps = r.integers(0, gap, num) * (r.random(num) < 0.6)
    t = start + np.cumsum(steps)
    x, y = r.integers(0, width, num), r.integers(0, height, num)
    run = r.random(num) < 0.5
    x[1:] = np.where(run[1:], (x[:-1] + 1) % width, x[1:])
    y[1:] = np.where(run[1:], y[:-1], y[1:])
    return Events.of(t, x, y, r.integers(0, 2, num), size=(height, width))


def same(a, b):
    for name in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    return True


def read_back(path, name, **kwargs):
    """Read by content; formats without a size in the file are told it."""
    kwargs.setdefault("size", SIZE.get(name, (48, 64)))
    return open_events(path, **kwargs)


def mutate(data, r):
    """Break bytes: flip, overwrite, cut, insert, remove, repeat; one to four of these."""
    data = bytearray(data)
    for _ in range(int(r.integers(1, 5))):
        if not data:
            break
        at, num = int(r.integers(len(data))), int(r.integers(1, 33))
        kind = int(r.integers(7))
        if kind == 0:
            data[at] ^= 1 << int(r.integers(8))
        elif kind == 1:
            data[at : at + num] = r.bytes(num)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = r.bytes(num)
        elif kind == 4:
            del data[at : at + num]
        elif kind == 5:
            data[at : at + 4] = (0xFFFFFFFF, 0x7FFFFFFF, 0, 0x80000000)[int(r.integers(4))].to_bytes(4, "little")
        else:
            data[at:at] = data[at : at + 8 * num]
    return bytes(data)


def outcome(path, name, mode, **kwargs):
    """Read a file that may be broken: the events and the report, or None if it is refused.

    Whatever is given obeys the rules of an event array.
    """
    refusal = None
    try:
        events, report = open_events(path, format=name, mode=mode, **kwargs).read_with_report()
    except RanvierError as error:
        refusal = str(error)
    if refusal is not None:
        assert str(path) in refusal
        return None
    assert report.num_events == len(events)
    assert (np.diff(events.t) >= 0).all()
    if len(events):
        height, width = events.size
        assert 0 <= events.x.min() <= events.x.max() < width
        assert 0 <= events.y.min() <= events.y.max() < height
        assert events.polarity.max() <= 1
    assert mode == "repair" or report.clean
    return events, report
