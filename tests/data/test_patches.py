import re

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.patches import patch_normalise, shrink


def twin(image, window):
    """Patch normalisation by NaN padding, in numpy, pixel by pixel."""
    edge = window // 2
    padded = np.pad(image.astype(float), edge, constant_values=np.nan)
    out = np.zeros(image.shape, np.uint8)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            near = padded[row : row + window, column : column + window]
            spread = np.nanstd(near)
            x = 0.0 if spread == 0 else (image[row, column] - np.nanmean(near)) / spread
            out[row, column] = int((np.clip(x, -1, 1) + 1) / 2 * 255) if spread else 127
    return out


@pytest.mark.parametrize("window", [3, 7])
def test_it_is_what_nan_padding_gives(window):
    image = np.random.default_rng(window).integers(0, 256, (9, 13)).astype(np.uint8)
    ours = patch_normalise(torch.from_numpy(image), window=window).numpy()
    np.testing.assert_array_equal(ours, twin(image, window))
    assert ours.min() == 0
    assert ours.max() == 255


def test_an_even_grey_gives_127():
    assert (patch_normalise(torch.full((2, 8, 8), 200, dtype=torch.uint8)) == 127).all()


def test_brightness_and_contrast_make_no_difference():
    image = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
    for other in (7.0 * image + 50.0, 1e-6 * image, 1e6 * image):
        apart = patch_normalise(image).int() - patch_normalise(other).int()
        assert apart.abs().max() <= 1


def test_shrinking_keeps_the_mean_and_the_same_size_is_left_alone():
    image = torch.randint(0, 256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert torch.equal(shrink(image, 28), image.float())
    small = shrink(image, 7)
    assert small.shape == (2, 1, 7, 7)
    torch.testing.assert_close(small.mean(), image.float().mean(), rtol=0.03, atol=0)


def test_mistakes_are_named():
    with pytest.raises(
        ConfigError, match=f"^{re.escape('patch_normalise: window: expected an odd number >= 3, got 4.')}"
    ):
        patch_normalise(torch.zeros(4, 4), window=4)
    with pytest.raises(ShapeError, match=f"^{re.escape('patch_normalise: expected images (..., H, W), got (4,).')}"):
        patch_normalise(torch.zeros(4))
