"""Letters: T time, B batch, C channels, H W space, L patches, P values of a patch."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data import Hold, Loader, MaskedBatches, Masking, to_patches


def test_patches_come_in_rows_from_the_top_left():
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    patches = to_patches(x, 2)
    assert patches.shape == (2, 6, 12)
    for row, column in np.ndindex(2, 3):
        expected = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
        assert torch.equal(patches[:, 3 * row + column], expected)


@pytest.mark.parametrize(("ratio", "hidden"), [(0.75, 12), (0.5, 8), (0.01, 1), (0.99, 15)])
def test_the_same_number_of_patches_is_hidden_in_every_image_and_each_as_often(ratio, hidden):
    visible = Masking(patch=4, ratio=ratio).draw(4000, 16, generator(0))
    assert set((~visible).sum(1).tolist()) == {hidden}
    share = (~visible).double().mean(0)
    np.testing.assert_allclose(share, hidden / 16, atol=4 * np.sqrt(hidden / 16 * (1 - hidden / 16) / 4000))


class Pictures:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        g = torch.Generator().manual_seed(index)
        return torch.randint(256, (3, 8, 8), dtype=torch.uint8, generator=g), index


def batches(seed=0):
    loader = Loader(samples=Pictures(), encode=Hold(num_steps=2), batch_size=4)
    return MaskedBatches(loader=loader, masking=Masking(patch=4, ratio=0.5), seed=seed)


def test_hidden_patches_are_the_targets_normalised_by_their_own_mean_and_deviation():
    made = batches()
    assert made.num_batches == 3
    inputs, targets = next(iter(made.batches(0)))
    plain, _ = next(iter(made.loader.batches(0)))
    assert torch.equal(inputs[:, :, :3], plain)
    assert targets.shape == (4, 4, 1 + 48)
    for b, row, column in np.ndindex(4, 2, 2):
        cut = (slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        mask = inputs[0, b, 3][cut]
        assert mask.unique().numel() == 1
        target = targets[b, 2 * row + column]
        assert float(target[0]) == 1 - float(mask[0, 0])
        pixels = plain[0, b][:, cut[0], cut[1]].flatten().double().numpy()
        np.testing.assert_allclose(target[1:], (pixels - pixels.mean()) / (pixels.std() + 1e-6), atol=1e-4)
    assert targets[..., 0].sum(1).tolist() == [2] * 4


def test_masks_depend_on_seed_epoch_and_number_alone():
    whole, rest = list(batches().batches(1)), list(batches().batches(1, start=2))
    assert torch.equal(whole[2][0], rest[0][0])
    assert torch.equal(whole[2][1], rest[0][1])
    other = next(iter(batches(seed=1).batches(1)))
    assert not torch.equal(other[0][:, :, 3], whole[0][0][:, :, 3])


def test_senseless_numbers_and_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"Masking\.patch: expected a number of pixels >= 1, got 0"):
        Masking(patch=0)
    with pytest.raises(ConfigError, match=r"Masking\.ratio: expected a share in \(0, 1\), got 1\.0"):
        Masking(ratio=1.0)
    with pytest.raises(ShapeError, match=r"to_patches: expected images of whole patches of 3 pixels, got 8 x 8"):
        to_patches(torch.zeros(1, 1, 8, 8), 3)
