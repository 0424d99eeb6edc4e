import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data import Events, HotPixels


def scene(hot):
    """Ten events at each pixel of 20 x 30, more or less, and many more at the hot ones."""
    r = np.random.default_rng(0)
    count = r.poisson(10, (20, 30))
    for (y, x), more in hot.items():
        count[y, x] = more
    y, x = (np.repeat(c.ravel(), count.ravel()) for c in np.indices(count.shape))
    return Events.of(np.arange(len(x)), x, y, r.integers(0, 2, len(x)), size=(20, 30)), count


def test_hot_pixels_go_and_every_other_event_stays():
    hot = {(3, 4): 300, (19, 29): 90, (0, 0): 100_000}  # the last hides the others behind the deviation it causes
    events, count = scene(hot)
    mask = HotPixels()(events), HotPixels().mask(events)
    assert {tuple(at) for at in np.argwhere(mask[1]).tolist()} == set(hot)
    assert len(mask[0]) == count.sum() - sum(hot.values())


def test_the_first_round_is_the_rule_of_n_deviations():
    events, count = scene({(3, 4): 300})
    active = count[count > 0]
    np.testing.assert_array_equal(HotPixels().mask(events), count > active.mean() + 5 * active.std())


def test_a_quiet_sensor_has_no_hot_pixels():
    events, _ = scene({})
    assert len(HotPixels()(events)) == len(events)
    assert len(HotPixels()(events[:0])) == 0


def test_a_senseless_deviation_is_refused():
    with pytest.raises(ConfigError, match="HotPixels.num_std: expected a number > 0, got 0"):
        HotPixels(num_std=0)
