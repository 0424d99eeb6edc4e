import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import STCF, BackgroundActivity, Events, Neighbourhood

TAU = 900
pytestmark = pytest.mark.usefixtures("either_form")


def last_times(events):
    """Yield for each event the map of the last times before it, event by event."""
    last = np.full(events.size, -np.inf)
    for t, x, y in zip(events.t, events.x, events.y, strict=True):
        yield int(t), int(x), int(y), last
        last[y, x] = t


def supporters(events):
    out = []
    for t, x, y, last in last_times(events):
        near = last[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        out.append(int((t - near <= TAU).sum()) - int(t - last[y, x] <= TAU))
    return np.array(out)


def test_background_activity_asks_for_one_recent_neighbour(recording):
    events = recording()
    want = supporters(events) >= 1
    got = BackgroundActivity(tau="900 us")(events)
    np.testing.assert_array_equal(got.t, events.t[want])
    np.testing.assert_array_equal(got.x, events.x[want])
    assert 0 < len(got) < len(events)


@pytest.mark.parametrize("num", [1, 2, 3])
def test_stcf_asks_for_several_recent_neighbours(recording, num):
    events = recording(600)
    want = supporters(events) >= num
    np.testing.assert_array_equal(STCF(tau=0.9, num=num)(events).t, events.t[want])
    assert 0 < want.sum() < 600


@pytest.mark.parametrize(("radius", "num"), [(1, 1), (2, 3), (9, 8)])
def test_a_neighbourhood_counts_events(recording, radius, num):
    events = recording()
    t, x, y = (c.astype(int) for c in (events.t, events.x, events.y))
    want = []
    for i in range(len(events)):
        box = (abs(x[:i] - x[i]) <= radius) & (abs(y[:i] - y[i]) <= radius) & (t[i] - t[:i] <= TAU)
        want.append((box & ((x[:i] != x[i]) | (y[:i] != y[i]))).sum() >= num)
    got = Neighbourhood(tau=0.9, radius=radius, num=num)(events)
    np.testing.assert_array_equal(got.t, events.t[np.array(want)])
    assert 0 < len(got) < len(events)


def test_what_moves_stays_and_lone_noise_goes():
    r = np.random.default_rng(0)
    size, steps = (40, 40), 40
    edge = [(1000 * x + int(r.integers(900)), x, y) for x in range(steps) for y in range(40)]
    noise = [(int(t), int(r.integers(40)), int(r.integers(40))) for t in r.integers(0, 40_000, 150)]
    both = sorted([(*e, 1) for e in edge] + [(*e, 0) for e in noise])  # ON marks the edge, OFF the noise
    t, x, y, p = zip(*both, strict=True)
    events = Events.of(t, x, y, p, size=size)
    kept = STCF(tau="1500 us", num=2)(events)
    assert (kept.polarity == 1).sum() > 0.9 * len(edge)
    assert (kept.polarity == 0).sum() < 0.35 * len(noise)


@pytest.mark.parametrize("kind", [BackgroundActivity, STCF, Neighbourhood])
def test_filters_take_any_time_and_any_window(kind):
    t = np.array([-(1 << 60), -(1 << 60), 0, 0, 1 << 60])
    events = Events.of(t, [0, 1, 0, 1, 1], [0] * 5, [1] * 5, size=(1, 2))
    always = kind(tau=1e18, num=1) if kind is not BackgroundActivity else kind(tau=1e18)
    assert always(events).t.tolist() == t[1:].tolist()
    now = kind(tau="1 us", num=1) if kind is not BackgroundActivity else kind(tau="1 us")
    assert now(events).t.tolist() == [-(1 << 60), 0]


@pytest.mark.parametrize("kind", [BackgroundActivity, STCF, Neighbourhood])
def test_filters_take_nothing_and_senseless_times_are_refused(recording, kind):
    assert len(kind()(recording(0))) == 0
    assert len(kind()(recording(1))) == 0
    with pytest.raises(ConfigError, match=f"{kind.__name__}.tau: expected a time of at least 1 us"):
        kind(tau=0.0)


def test_senseless_numbers_are_refused():
    with pytest.raises(ConfigError, match="STCF.num"):
        STCF(num=0)
    with pytest.raises(ConfigError, match="Neighbourhood.radius"):
        Neighbourhood(radius=0)
    with pytest.raises(ConfigError, match="Neighbourhood.num"):
        Neighbourhood(num=0)
