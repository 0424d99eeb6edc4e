import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ConfigError
from ranvier.data import Events, Voxels
from ranvier.data.transforms import voxels


def slow(events, num_bins, first, span):
    """The equation, one event and one bin at a time: split by polarity."""
    grid = np.zeros((num_bins, 2, *events.size))
    for t, x, y, p in zip(events.t, events.x, events.y, events.polarity, strict=True):
        star = (num_bins - 1) * (int(t) - first) / span
        for b in range(num_bins):
            grid[b, p, y, x] += max(0.0, 1 - abs(b - star))
    return grid


@pytest.mark.parametrize("num_bins", [1, 2, 5])
def test_both_forms_agree_with_the_equation(recording, same_on_device, num_bins):
    events = recording()
    want = slow(events, num_bins, int(events.t[0]), events.duration)
    if num_bins == 1:
        want = slow(events, 1, 0, 1)
    got = same_on_device(Voxels(num_bins=num_bins, polarity="split"), events)
    np.testing.assert_allclose(got, want, atol=1e-6)
    signed = same_on_device(Voxels(num_bins=num_bins), events)
    np.testing.assert_allclose(signed, want[:, 1:] - want[:, :1], atol=1e-6)


def test_a_given_window_fixes_the_bins_and_leaves_out_the_rest(recording):
    events = recording()
    inside = events.between(10_000, 30_001)
    got = Voxels(num_bins=4, polarity="split", start="10 ms", duration=20.0)(events)
    np.testing.assert_allclose(got, slow(inside, 4, 10_000, 20_000), atol=1e-6)
    assert 0 < len(inside) < len(events)


@given(
    num=st.integers(0, 100), seed=st.integers(0, 50), num_bins=st.integers(1, 12), last=st.sampled_from([1, 7, 10**6])
)
def test_the_mass_is_the_number_of_events(num, seed, num_bins, last):
    r = np.random.default_rng(seed)
    columns = (np.sort(r.integers(0, last, num)), r.integers(0, 3, num), r.integers(0, 2, num), r.integers(0, 2, num))
    events = Events.of(*columns, size=(2, 3))
    grid = Voxels(num_bins=num_bins, polarity="split")(events).double()
    assert float(grid.sum()) == pytest.approx(num, abs=1e-4)
    assert float(grid[:, 1].sum()) == pytest.approx(int(events.polarity.sum()), abs=1e-4)
    assert grid.min() >= 0


def test_the_first_and_the_last_event_lie_whole_in_the_outer_bins():
    grid = Voxels(num_bins=3, polarity="split")(Events.of([5, 99], [0, 1], [0, 0], [1, 0], size=(1, 2)))
    assert grid[0, 1, 0, 0] == 1
    assert grid[2, 0, 0, 1] == 1
    assert grid.sum() == 2


def test_events_of_one_instant_lie_in_bin_0():
    grid = Voxels(num_bins=3)(Events.of([7, 7], [0, 0], [0, 0], [1, 1], size=(1, 1)))
    np.testing.assert_array_equal(grid.flatten(), [2, 0, 0])


def test_times_near_2_to_the_53_keep_their_bins():
    events = Events.of(np.array([0, 50, 100]) + 2**53, [0] * 3, [0] * 3, [1] * 3, size=(1, 1))
    np.testing.assert_array_equal(Voxels(num_bins=3)(events).flatten(), [1, 1, 1])


@pytest.mark.parametrize("num_bins", [1, 2, 9])
@pytest.mark.parametrize("chunk", [7, 1 << 15])
def test_chunks_and_the_form_for_accelerators_agree_bit_for_bit(recording, monkeypatch, chunk, num_bins):
    monkeypatch.setattr(voxels, "_CHUNK", chunk)
    events = recording()
    time, pixel = events.t - events.t[0], events.y * np.int64(7) + events.x
    for polarity in (events.polarity, None):
        columns = [time, pixel, polarity]
        tensors = [None if c is None else torch.from_numpy(c) for c in columns]
        rest = (num_bins, events.duration, 35)
        np.testing.assert_array_equal(voxels.by_chunks(*columns, *rest), voxels.at_once(*tensors, *rest))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_bins": 0}, "Voxels.num_bins: expected a number >= 1, got 0"),
        ({"num_bins": 1, "polarity": "both"}, "Voxels.polarity: expected 'signed' or 'split', got 'both'"),
        ({"num_bins": 1, "duration": 0.0}, "Voxels.duration: expected a time of at least 1 us"),
    ],
)
def test_senseless_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        Voxels(**options)
