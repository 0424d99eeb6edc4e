import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, DataError
from ranvier.data.augment import ImageAugment, MixImages
from ranvier.data.sets import nmnist
from ranvier.systems.vision.images import Images, balanced

SMALL = Images(source="nmnist", limit=20, test_limit=30, steps=3, batch_size=8)


def test_a_picture_of_events_adds_up_each_polarity_and_is_white_from_eight_on():
    events, label = nmnist.sample("test")[0]
    expected = np.zeros((2, 34, 34))
    for x, y, polarity in zip(events.x, events.y, events.polarity, strict=True):
        expected[polarity, y, x] += 32
    image, same = Images(source="nmnist").load("test")[0]
    assert same == label
    np.testing.assert_array_equal(image, np.minimum(expected, 255))
    assert (expected > 255).any()


def test_images_are_shrunk_by_means_then_padded():
    plain, _ = SMALL.load("train")[3]
    changed, _ = Images(source="nmnist", limit=20, shrink=3, pad=2).load("train")[3]
    assert changed.shape == (2, 15, 15)
    means = plain.numpy()[:, :33, :33].reshape(2, 11, 3, 11, 3).astype(float).mean((2, 4))
    np.testing.assert_array_equal(changed[:, 2:13, 2:13], np.rint(means))
    assert int(changed.sum()) == int(changed[:, 2:13, 2:13].sum())


def test_sizes_are_known_without_the_data():
    assert (Images().channels, Images().side, len(Images().classes)) == (3, 32, 10)
    task = Images(source="mnist", pad=2)
    assert (task.channels, task.side) == (1, 32)
    assert Images(source="nmnist", shrink=3, pad=2).side == 15


def test_a_limit_takes_the_first_of_every_class_in_equal_numbers():
    labels = np.array([0, 0, 0, 1, 2, 0, 1, 2, 2, 2])
    assert balanced(labels, 6).tolist() == [0, 1, 3, 4, 6, 7]
    assert balanced(labels, 4).tolist() == [0, 1, 3, 4]
    assert balanced(labels, 99).tolist() == list(range(10))
    assert np.bincount(SMALL.load("train").labels).tolist() == [2] * 10


def test_batches_are_normalised_and_held():
    x_TB, targets = next(iter(SMALL.test().batches(0)))
    assert x_TB.shape == (3, 30, 2, 34, 34)
    assert torch.equal(x_TB[0], x_TB[2])
    image, label = SMALL.load("test")[4]
    assert targets[4] == label
    mean, std = np.array([0.2084, 0.2115])[:, None, None], np.array([0.3504, 0.3365])[:, None, None]
    np.testing.assert_allclose(x_TB[0, 4], (image.numpy() / 255 - mean) / std, rtol=1e-5, atol=1e-6)


def test_training_batches_depend_on_the_seed_and_are_augmented_and_mixed_only_if_asked():
    plain = next(iter(SMALL.train(0).batches(0)))
    assert torch.equal(next(iter(SMALL.train(0).batches(0)))[0], plain[0])
    assert not torch.equal(next(iter(SMALL.train(1).batches(0)))[0], plain[0])
    moved = Images(source="nmnist", limit=20, steps=3, batch_size=8, augment=ImageAugment(shift=2))
    assert not torch.equal(next(iter(moved.train(0).batches(0)))[0], plain[0])
    mixed = Images(source="nmnist", limit=20, steps=3, batch_size=8, mix=MixImages(mixup=0.5))
    assert next(iter(mixed.train(0).batches(0)))[1].shape == (8, 10)


def test_the_mean_and_deviation_of_the_embedded_pictures_are_those_it_normalises_by():
    x_TB = torch.cat([x for x, _ in Images(source="nmnist", steps=1, batch_size=100).train(0).batches(0)], 1)
    torch.testing.assert_close(x_TB.mean((0, 1, 3, 4)), torch.zeros(2), atol=2e-3, rtol=0)
    torch.testing.assert_close(x_TB.std((0, 1, 3, 4)), torch.ones(2), atol=2e-3, rtol=0)


def test_absent_data_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="cifar10"):
        Images().train(0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"source": "imagenet"}, r"Images\.source: expected one of cifar10, .*, got 'imagenet'"),
        ({"steps": 0}, r"Images\.steps: expected at least 1, got 0"),
        ({"limit": 0}, r"Images\.limit: expected at least 1, got 0"),
        ({"pad": -1}, r"Images\.pad: expected a number of pixels >= 0, got -1"),
        ({"shrink": 40}, r"Images\.shrink: expected pixels that are left, got 40"),
    ],
)
def test_senseless_numbers_are_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        Images(**changes)
