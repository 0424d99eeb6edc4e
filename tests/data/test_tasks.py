import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.data.sets.pack import ImageSet
from ranvier.data.tasks import permuted, split

RNG = np.random.default_rng(0)
IMAGES = ImageSet(RNG.integers(0, 256, (12, 2, 5, 4)).astype(np.uint8), np.arange(12) % 6, tuple("abcdef"))


def test_the_first_task_is_the_images_themselves():
    assert permuted(IMAGES, 3, 0) is IMAGES


def test_pixels_are_moved_alike_in_all_images_and_channels_and_none_is_lost():
    moved = permuted(IMAGES, 3, 1)
    assert moved.labels is IMAGES.labels
    numbered = ImageSet(np.arange(20, dtype=np.uint8).reshape(1, 1, 5, 4), np.zeros(1, np.int64), ("a",))
    order = permuted(numbered, 3, 1).images.ravel()
    assert sorted(order) == list(range(20))
    assert list(order) != list(range(20))
    np.testing.assert_array_equal(moved.images.reshape(12, 2, 20), IMAGES.images.reshape(12, 2, 20)[..., order])


def test_tasks_and_seeds_have_orders_of_their_own():
    found = [permuted(IMAGES, seed, number).images.tobytes() for seed in (0, 1) for number in (1, 2)]
    assert len(set(found)) == 4
    assert permuted(IMAGES, 0, 1).images.tobytes() == found[0]


def test_classes_are_dealt_out_in_order_and_counted_from_zero():
    parts = [split(IMAGES, 3, number) for number in range(3)]
    assert [part.classes for part in parts] == [("a", "b"), ("c", "d"), ("e", "f")]
    assert [part.labels.tolist() for part in parts] == [[0, 1, 0, 1]] * 3
    np.testing.assert_array_equal(parts[1].images, IMAGES.images[[2, 3, 8, 9]])


@pytest.mark.parametrize(("num", "number"), [(4, 0), (3, 3), (0, 0), (3, -1)])
def test_classes_that_cannot_be_dealt_out_are_refused(num, number):
    with pytest.raises(ConfigError) as caught:
        split(IMAGES, num, number)
    message = f"split: expected a task of a number of tasks that divides 6 classes, got task {number} of {num}."
    assert message in str(caught.value)
