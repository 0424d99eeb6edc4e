import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import HATS, passes
from ranvier.data.transforms import hats

pytestmark = pytest.mark.usefixtures("either_form")


def slow(events, cell, radius, tau, window):
    """The equations, over all pairs of events."""
    rows, columns = -(-events.size[0] // cell), -(-events.size[1] // cell)
    total = np.zeros((rows, columns, 2, 2 * radius + 1, 2 * radius + 1))
    count = np.zeros((rows, columns, 2))
    t, x, y, p = (getattr(events, name).astype(int) for name in ("t", "x", "y", "polarity"))
    for i in range(len(events)):
        at = y[i] // cell, x[i] // cell, p[i]
        count[at] += 1
        for j in range(i):
            same = (y[j] // cell, x[j] // cell, p[j]) == at
            if same and 0 < t[i] - t[j] <= window and max(abs(x[i] - x[j]), abs(y[i] - y[j])) <= radius:
                total[at][y[j] - y[i] + radius, x[j] - x[i] + radius] += np.exp((t[j] - t[i]) / tau)
    return total / np.maximum(count, 1)[..., None, None]


@pytest.mark.parametrize(("cell", "radius"), [(3, 1), (10, 2), (1, 0)])
def test_histograms_agree_with_the_equations(recording, same_on_device, cell, radius):
    events = recording(200, last=100)  # many ties in time: they do not see each other
    got = same_on_device(HATS(cell=cell, radius=radius, tau="50 us", window="80 us"), events)
    np.testing.assert_allclose(got, slow(events, cell, radius, 50, 80), rtol=1e-5, atol=1e-7)
    assert got.max() > 0


def test_ages_beyond_the_table_and_beyond_the_weights_change_no_number(recording, monkeypatch):
    events = recording(200, last=3000)
    want = HATS(cell=3, tau="20 us", window=100.0)(events)
    np.testing.assert_array_equal(HATS(cell=3, tau="20 us", window="460 us")(events), want)
    monkeypatch.setattr(hats, "_TABLE", 100)
    np.testing.assert_array_equal(HATS(cell=3, tau="20 us", window=100.0)(events), want)


def test_memory_bounds_change_no_number(recording, monkeypatch):
    events = recording(200, last=3000)
    whole = HATS(cell=3)(events)
    monkeypatch.setattr(passes, "native", lambda: None)
    monkeypatch.setattr(hats, "_PAIRS", 7)
    np.testing.assert_allclose(HATS(cell=3)(events), whole, rtol=1e-6)


def test_an_event_does_not_see_itself(recording):
    assert not HATS()(recording(1)).any()
    assert HATS(cell=3)(recording(0)).shape == (2, 3, 2, 7, 7)
    assert not HATS()(recording(0)).any()


@pytest.mark.parametrize("options", [{"cell": 0}, {"radius": -1}, {"tau": 0.0}, {"window": 0.0}])
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"HATS.{next(iter(options))}: expected"):
        HATS(**options)
