import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data import DeviceEvents, Events
from ranvier.data.columns import add_up, add_up_integers, at_least, first_time, latest, positive


def recording(num=50):
    r = np.random.default_rng(0)
    columns = (np.sort(r.integers(0, 99, num)), r.integers(0, 4, num), r.integers(0, 3, num), r.integers(0, 2, num))
    return Events.of(*columns, size=(3, 4))


def test_columns_on_the_cpu_share_the_memory():
    events = recording()
    on = DeviceEvents.of(events, "cpu")
    assert on.t.data_ptr() == events.t.ctypes.data
    assert len(on) == 50
    assert DeviceEvents.of(on).x.data_ptr() == on.x.data_ptr()


def test_read_only_and_strided_columns_are_taken():
    events = recording()
    for column in (events.t, events.x, events.y, events.polarity):
        column.flags.writeable = False
    np.testing.assert_array_equal(DeviceEvents.of(events).t, events.t)
    np.testing.assert_array_equal(DeviceEvents.of(events[::3]).x, events.x[::3])


def test_between_and_selection_are_those_of_an_event_array():
    events = recording()
    for start, stop in [(0, 99), (10, 11), (40, 40), (-5, 1000)]:
        np.testing.assert_array_equal(DeviceEvents.of(events).between(start, stop).x, events.between(start, stop).x)


def test_cells_number_channels_and_pixels():
    events = recording()
    on = DeviceEvents.of(events)
    want = np.ravel_multi_index((events.polarity, events.y, events.x), (2, 3, 4))
    np.testing.assert_array_equal(on.cells(), want)
    np.testing.assert_array_equal(on.pixels(), want % 12)


def test_sums_are_exact_in_any_order_and_the_same_by_integers():
    r = np.random.default_rng(0)
    cell, weight = torch.from_numpy(r.integers(0, 7, 5000)), torch.from_numpy(r.normal(size=5000))
    want = np.zeros(9)
    np.add.at(want, cell.numpy(), weight.numpy())
    got = add_up(cell, weight, 9)
    np.testing.assert_allclose(got, want, atol=5000 * 2.0**-33)
    order = torch.from_numpy(r.permutation(5000))
    assert torch.equal(add_up(cell[order], weight[order], 9), got)
    assert torch.equal(add_up_integers(cell, weight, 9), got)
    assert torch.equal(add_up_integers(cell, None, 9), add_up(cell, None, 9))
    assert add_up(cell, None, 9).sum() == 5000


def test_the_latest_events_of_a_cell_are_found_by_their_order():
    cell = torch.tensor([2, 0, 2, 2, 0])
    np.testing.assert_array_equal(latest(cell, 3, 2), [[4, -1, 3], [1, -1, 2]])
    assert (latest(cell[:0], 3, 2) == -1).all()


def test_times_are_read_with_their_units():
    assert positive("3 us", "x") == 3
    assert first_time(recording(0), None) == 0
    assert first_time(recording(), 2.0) == 2000
    with pytest.raises(ConfigError, match="x: expected a time of at least 1 us, got 0.0001"):
        positive(0.0001, "x")
    with pytest.raises(ConfigError, match="x: expected a number >= 3, got 2"):
        at_least("x", 2, 3)
