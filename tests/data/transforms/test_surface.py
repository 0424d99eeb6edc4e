import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import Events, TimeSurface


def slow(events, instants, decay):
    """The definition: for each instant and pixel, look through all events."""
    out = np.zeros((len(instants), 2, *events.size))
    for k, now in enumerate(instants):
        for t, x, y, p in zip(events.t, events.x, events.y, events.polarity, strict=True):
            if t <= now:
                out[k, p, y, x] = decay(now - int(t))  # events are sorted, so the last one stays
    return out


@pytest.mark.parametrize("num", [1, 4])
def test_surfaces_agree_with_the_definition(recording, same_on_device, num):
    events = recording()
    instants = [int(events.t[0]) + (k + 1) * events.duration / num for k in range(num)]
    exponential = same_on_device(TimeSurface(tau="7 ms", num=num), events)
    np.testing.assert_allclose(exponential, slow(events, instants, lambda age: np.exp(-age / 7000)), atol=1e-6)
    linear = same_on_device(TimeSurface(tau=7.0, num=num, decay="linear"), events)
    np.testing.assert_allclose(linear, slow(events, instants, lambda age: max(0, 1 - age / 7000)), atol=1e-6)
    assert 0 < (linear == 0).float().mean() < 1


def test_a_given_window_fixes_the_instants(recording):
    events = recording()
    got = TimeSurface(tau=7.0, num=2, start=10.0, duration=20.0)(events)
    want = slow(events.between(10_000, 30_001), [20_000, 30_000], lambda age: np.exp(-age / 7000))
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_the_last_event_counts_whole_and_each_surface_decays_into_the_next():
    events = Events.of([0, 1000], [0, 1], [0, 0], [1, 1], size=(1, 2))
    got = TimeSurface(tau=1.0, num=2)(events)[:, 1, 0]
    np.testing.assert_allclose(got, [[np.exp(-0.5), 0], [np.exp(-1), 1]], rtol=1e-6)


def test_an_event_on_an_instant_counts_whole_at_that_instant():
    got = TimeSurface(tau=1.0, num=2)(Events.of([0, 500, 1000], [0, 1, 2], [0, 0, 0], [1, 1, 1], size=(1, 3)))
    np.testing.assert_allclose(got[0, 1, 0], [np.exp(-0.5), 1, 0], rtol=1e-6)


def test_no_events_give_an_empty_surface(recording):
    assert not TimeSurface(tau=1.0, num=3)(recording(0)).any()
    assert TimeSurface(tau=1.0, num=3)(recording(0)).shape == (3, 2, 5, 7)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tau": 0.0}, "TimeSurface.tau: expected a time of at least 1 us, got 0.0"),
        ({"tau": 1.0, "num": 0}, "TimeSurface.num"),
        ({"tau": 1.0, "decay": "square"}, "TimeSurface.decay: expected 'exponential' or 'linear', got 'square'"),
    ],
)
def test_senseless_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        TimeSurface(**options)
