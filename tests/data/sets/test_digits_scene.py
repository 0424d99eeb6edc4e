import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, DataError
from ranvier.data.sets import digits_scene
from ranvier.data.sets.digits_scene import INK, Layout, Scenes
from ranvier.data.sets.pack import ImageSet


@pytest.fixture(scope="module")
def digits():
    """Ten bars: digit k is a bright rectangle of its own height."""
    images = np.zeros((10, 1, 28, 28), np.uint8)
    for k in range(10):
        images[k, 0, 4 : 14 + k, 8:20] = 255
    return ImageSet(images, np.arange(10), tuple("0123456789"))


def test_boxes_are_those_of_the_ink_and_the_mask_says_the_class(digits):
    scenes = Scenes(digits, Layout(most=1, sizes=(20, 28)), 30)
    for i in range(30):
        scene = scenes[i]
        assert scene.image.shape == (1, 48, 48)
        assert scene.image.dtype == torch.uint8
        rows, columns = torch.nonzero(scene.image[0] >= INK, as_tuple=True)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert scene.corners[0].tolist() == [float(v) for v in box]
        assert torch.equal(scene.mask, torch.where(scene.image[0] >= INK, scene.labels[0] + 1, 0))


def test_there_are_as_many_digits_as_asked_for_and_they_hardly_overlap(digits):
    layout = Layout(fewest=2, most=4, sizes=(12, 16), overlap=0.05)
    numbers = []
    for i in range(40):
        scene = Scenes(digits, layout, 40)[i]
        numbers.append(len(scene.labels))
        for a in range(len(scene.corners)):
            for b in range(a):
                p, q = scene.corners[a], scene.corners[b]
                shared = (torch.minimum(p[2:], q[2:]) - torch.maximum(p[:2], q[:2])).clamp(min=0).prod()
                smaller = min((p[2:] - p[:2]).prod(), (q[2:] - q[:2]).prod())
                assert shared <= 0.05 * smaller
    assert set(numbers) == {2, 3, 4}


def test_where_there_is_no_room_the_first_digit_stays(digits):
    scenes = Scenes(digits, Layout(side=28, fewest=3, most=3, sizes=(28, 28), overlap=0.0), 5)
    assert [len(scenes[i].labels) for i in range(5)] == [1] * 5


def test_a_scene_depends_on_seed_and_index_alone(digits):
    scenes, again, other = (Scenes(digits, Layout(), 5, seed) for seed in (1, 1, 2))
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(scenes[3], again[3], strict=True))
    assert not torch.equal(scenes[3].image, other[3].image)
    assert not torch.equal(scenes[3].image, scenes[2].image)
    assert len(list(scenes)) == len(scenes) == 5


def test_thin_strokes_leave_ink_at_the_smallest_size():
    images = np.zeros((1, 1, 28, 28), np.uint8)
    images[0, 0, 4:24, 13:15] = 255  # as thin as digits get
    scene = Scenes(ImageSet(images, np.array([1]), tuple("0123456789")), Layout(sizes=(12, 12)), 1)[0]
    assert scene.mask.max() == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fewest": 3, "most": 2}, "Layout.fewest: expected from at least 1 digit up to most, got 3 to 2."),
        ({"sizes": (4, 20)}, "Layout.sizes: expected two rising sizes from 12 to the side, 48 pixels, got (4, 20)."),
        ({"sizes": (20, 50)}, "Layout.sizes: expected two rising sizes"),
        ({"overlap": 1.5}, "Layout.overlap: expected a share in [0, 1], got 1.5."),
    ],
)
def test_layouts_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ConfigError) as caught:
        Layout(**options)
    assert text in str(caught.value)


def test_without_mnist_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="MNIST: expected"):
        digits_scene.load("test", num=3)
    with pytest.raises(ConfigError, match="digits_scene: num: expected at least 1 scene, got 0"):
        digits_scene.load("test", num=0)
