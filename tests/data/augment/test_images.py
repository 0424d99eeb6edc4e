"""Letters: C channels, H W space."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, DtypeError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data.augment import ImageAugment


@pytest.fixture
def image():
    return torch.arange(3 * 8 * 9, dtype=torch.uint8).reshape(3, 8, 9) + 1


def draws(augment, image, num=200):
    return [augment(image, generator(0, "image", index)) for index in range(num)]


def test_nothing_changes_by_default(image):
    assert all(torch.equal(x, image) for x in draws(ImageAugment(), image, 5))


def test_a_shift_moves_the_image_over_zeros_to_every_place(image):
    found = set()
    for shifted in draws(ImageAugment(shift=2), image):
        matches = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = np.zeros((3, 8, 9), np.uint8)
                for y in range(8):
                    for x in range(9):
                        if 0 <= y - down < 8 and 0 <= x - right < 9:
                            expected[:, y, x] = image[:, y - down, x - right]
                if np.array_equal(shifted.numpy(), expected):
                    matches.append((down, right))
        assert len(matches) == 1
        found.add(matches[0])
    assert len(found) == 25


def test_a_flip_mirrors_left_and_right_as_often_as_asked(image):
    flipped = [torch.equal(x, image.flip(2)) for x in draws(ImageAugment(flip=0.3), image)]
    kept = [torch.equal(x, image) for x in draws(ImageAugment(flip=0.3), image)]
    assert sum(flipped) + sum(kept) == 200
    assert 35 < sum(flipped) < 85


def test_erasing_fills_one_rectangle_whose_area_is_within_the_bounds():
    black = torch.zeros(1, 40, 40, dtype=torch.uint8)
    augment = ImageAugment(erase=1.0, erase_area=(0.05, 0.2))
    shares, values = [], []
    for erased in draws(augment, black, 100):
        rows, columns = (torch.nonzero(erased[0].sum(axis, dtype=torch.int64) > 0)[:, 0] for axis in (1, 0))
        box = erased[0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert int(erased.sum(dtype=torch.int64)) == int(box.sum(dtype=torch.int64))
        shares.append(box.numel() / 1600)
        values.append(box.float().mean())
    assert min(shares) > 0.04  # sides are rounded to whole pixels
    assert max(shares) < 0.23
    assert max(shares) - min(shares) > 0.1
    assert abs(np.mean(values) - 127.5) < 3
    assert not black.any()


def test_light_and_contrast_follow_their_formula_and_colour_keeps_the_grey():
    image = torch.randint(90, 150, (3, 6, 6), dtype=torch.uint8, generator=generator(0))
    for light in draws(ImageAugment(brightness=0.5), image, 20):
        factor = light.float().sum() / image.float().sum()
        np.testing.assert_allclose(light, np.rint(image.numpy() * factor.item()).clip(0, 255), atol=1)
    for contrast in draws(ImageAugment(contrast=0.5), image, 20):
        x = image.numpy().astype(float)
        factor = float(contrast.float().std() / image.float().std())
        assert 0.4 < factor < 1.6
        np.testing.assert_allclose(contrast, x.mean() + factor * (x - x.mean()), atol=2)
    for colour in draws(ImageAugment(saturation=0.9), image, 20):
        weights = np.array([0.299, 0.587, 0.114])[:, None, None]
        np.testing.assert_allclose((colour.numpy() * weights).sum(0), (image.numpy() * weights).sum(0), atol=1)
    assert any(not torch.equal(x, image) for x in draws(ImageAugment(saturation=0.9), image, 3))


def test_the_same_generator_gives_the_same_image_and_the_given_one_stays(image):
    augment = ImageAugment(shift=1, flip=0.5, brightness=0.3, contrast=0.3, saturation=0.3, erase=0.5)
    before = image.clone()
    assert all(torch.equal(a, b) for a, b in zip(draws(augment, image, 20), draws(augment, image, 20), strict=True))
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shift": -1}, r"ImageAugment\.shift: expected a number of pixels >= 0, got -1"),
        ({"flip": 1.5}, r"ImageAugment\.flip: expected a probability, got 1\.5"),
        (
            {"erase_area": (0.4, 0.3)},
            r"ImageAugment\.erase_area: expected two rising shares in \(0, 1\], got 0\.4, 0\.3",
        ),
    ],
)
def test_senseless_numbers_are_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        ImageAugment(**changes)


def test_what_is_no_image_is_refused(image):
    with pytest.raises(DtypeError, match=r"ImageAugment: expected an image of uint8, got torch\.float32"):
        ImageAugment()(image.float(), generator(0))
    with pytest.raises(ShapeError, match=r"ImageAugment: expected an image \(C, H, W\), got \(8, 9\)"):
        ImageAugment()(image[0], generator(0))
    with pytest.raises(ShapeError, match=r"ImageAugment\.saturation: expected an image of three channels, got 1"):
        ImageAugment(saturation=0.5)(image[:1], generator(0))
