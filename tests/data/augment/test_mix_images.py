"""Letters: T time, B batch, C channels, H W space, K classes."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import numpy_generator
from ranvier.data import Loader
from ranvier.data.augment import MixImages, Mixing

T, B, K = 2, 6, 4


def batch():
    """Image b is b + 1 everywhere, so that a mixture shows what it is made of."""
    x_TB = torch.arange(1.0, B + 1)[None, :, None, None, None].expand(T, B, 1, 10, 12)
    return x_TB, torch.tensor([0, 1, 2, 3, 1, 0])


def mixed(mix, number):
    return mix(*batch(), K, numpy_generator(0, "mix", number))


def test_mixup_weighs_images_and_labels_alike():
    shares = []
    for number in range(30):
        x_TB, y_BK = mixed(MixImages(mixup=0.8), number)
        images, labels = batch()
        flat = x_TB.flatten(2)
        assert torch.equal(flat[:, :, :1].expand_as(flat), flat)  # still one value an image
        found = []
        for order in np.ndindex(B):  # the partner of the first image
            other = images[0, order[0], 0, 0, 0]
            if other == images[0, 0, 0, 0, 0]:
                continue
            share = float((x_TB[0, 0, 0, 0, 0] - other) / (images[0, 0, 0, 0, 0] - other))
            expected = share * np.eye(K)[labels[0]] + (1 - share) * np.eye(K)[labels[order[0]]]
            found.append(np.allclose(y_BK[0], expected, atol=1e-5))
        assert any(found) or torch.equal(x_TB[:, 0], images[:, 0])
        shares.append(float(y_BK.max(1).values.min()))
        np.testing.assert_allclose(y_BK.sum(1), 1, atol=1e-6)
    assert min(shares) < 0.7


def test_cutmix_pastes_one_box_and_weighs_labels_by_its_area():
    pasted = 0
    for number in range(30):
        x_TB, y_BK = mixed(MixImages(cutmix=1.0), number)
        images, labels = batch()
        for b in range(B):
            changed = x_TB[0, b, 0] != images[0, b, 0]
            if not changed.any():
                continue
            pasted += 1
            rows, columns = (torch.nonzero(changed.any(axis))[:, 0] for axis in (1, 0))
            box = x_TB[:, b, 0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert changed.sum() == box[0].numel()
            assert box.unique().numel() == 1
            other = int(box.flatten()[0]) - 1
            share = 1 - box[0].numel() / 120
            expected = share * np.eye(K)[labels[b]] + (1 - share) * np.eye(K)[labels[other]]
            np.testing.assert_allclose(y_BK[b], expected, atol=1e-6)
    assert pasted > 50


def test_a_batch_is_left_alone_as_often_as_asked_and_the_given_one_always():
    images, _ = batch()
    alone = [torch.equal(mixed(MixImages(mixup=1.0, probability=0.5), n)[0], images) for n in range(100)]
    assert 30 < sum(alone) < 70
    assert torch.equal(images, batch()[0])


class Pictures:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.full((1, 1, 4, 4), float(index)), index % K


def test_batches_depend_on_seed_epoch_and_number_alone_and_mixing_ends():
    loader = Loader(samples=Pictures(), encode=lambda x: x, batch_size=4)
    mixing = Mixing(loader=loader, mix=MixImages(mixup=0.5, epochs=2), num_classes=K)
    assert mixing.num_batches == 3
    whole, rest = list(mixing.batches(1)), list(mixing.batches(1, start=2))
    assert torch.equal(whole[2][0], rest[0][0])
    assert torch.equal(whole[2][1], rest[0][1])
    assert not torch.equal(next(iter(mixing.batches(0)))[0], whole[0][0])
    x_TB, y_BK = next(iter(mixing.batches(2)))
    plain_TB, classes = next(iter(loader.batches(2)))
    assert torch.equal(x_TB, plain_TB)
    assert torch.equal(y_BK, torch.eye(K)[classes])


def test_idle_is_what_never_mixes():
    assert MixImages().idle
    assert MixImages(mixup=1.0, epochs=0).idle
    assert MixImages(cutmix=1.0, probability=0.0).idle
    assert not MixImages(cutmix=1.0).idle


def test_senseless_numbers_and_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"MixImages\.mixup: expected a number >= 0, got -1"):
        MixImages(mixup=-1)
    with pytest.raises(ConfigError, match=r"MixImages\.probability: expected a probability, got 2"):
        MixImages(probability=2)
    with pytest.raises(ConfigError, match=r"MixImages\.epochs: expected a number >= 0, or None, got -3"):
        MixImages(epochs=-3)
    with pytest.raises(ShapeError, match=r"MixImages: expected images \(T, B, C, H, W\), got \(2, 3\)"):
        MixImages(mixup=1.0)(torch.zeros(2, 3), torch.zeros(3).long(), 2, np.random.default_rng(0))
