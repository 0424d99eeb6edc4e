import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data import TRIANGLE, Camera, Pan
from ranvier.data.camera.pan import shifted


def test_whole_pixels_move_the_picture_and_repeat_its_border():
    image = torch.from_numpy(np.random.default_rng(0).random((5, 6)))
    rows, columns = np.clip(np.arange(5) - 2, 0, 4), np.clip(np.arange(6) + 1, 0, 5)
    np.testing.assert_allclose(shifted(image, 2.0, -1.0), image.numpy()[np.ix_(rows, columns)], rtol=1e-12)
    assert torch.equal(shifted(image, 0.0, 0.0), image)


def test_fractions_of_a_pixel_weigh_the_four_around():
    image = torch.from_numpy(np.random.default_rng(0).random((5, 6)))
    got, a = shifted(image, 0.25, 0.75), image.numpy()
    for y, x in np.ndindex(4, 5):
        want = 0.75 * (0.25 * a[y + 1, x + 1] + 0.75 * a[y + 1, x]) + 0.25 * (0.25 * a[y, x + 1] + 0.75 * a[y, x])
        assert float(got[y + 1, x + 1]) == pytest.approx(want, rel=1e-12)


def test_a_path_is_run_at_constant_speed_and_ends_on_a_frame():
    image = torch.zeros(1, 30)
    image[0, 10] = 1
    frames = list(Pan(path=((0, 0), (0, 4), (0, 0)), duration=7.0, frame=2.0)(image))
    assert [t for t, _ in frames] == [0, 2000, 4000, 6000, 7000]
    centre = [float((frame[0] * torch.arange(30)).sum()) for _, frame in frames]
    np.testing.assert_allclose(centre, 10 + np.array([0, 2, 3, 1, 0]) * 8 / 7, rtol=1e-9)


def test_a_bright_square_before_a_moving_camera_fires_on_ahead_and_off_behind():
    image = torch.full((20, 20), 0.2)
    image[5:15, 5:15] = 0.8
    events = [block for block in Camera().stream(Pan(path=((0, 0), (0, 3)), duration=30.0)(image)) if len(block)]
    on = np.concatenate([block.x[block.polarity == 1] for block in events])
    off = np.concatenate([block.x[block.polarity == 0] for block in events])
    assert set(on.tolist()) == {15, 16, 17}
    assert set(off.tolist()) == {5, 6, 7}
    assert len(on) == 3 * 10 * int(np.log(4) / 0.2)
    assert len(off) == len(on)


def test_the_saccades_end_where_they_began():
    image = torch.from_numpy(np.random.default_rng(0).random((12, 12)))
    frames = [frame for _, frame in Pan(frame=10.0)(image)]
    assert TRIANGLE[0] == TRIANGLE[-1]
    assert len(frames) == 31
    np.testing.assert_allclose(frames[0], frames[-1], rtol=1e-12)


@pytest.mark.parametrize("options", [{"path": ((0.0, 0.0),)}, {"duration": 0.0}, {"frame": 0.0}])
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"Pan.{next(iter(options))}: expected"):
        Pan(**options)
