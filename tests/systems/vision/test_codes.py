"""Codes of still images against their definitions, pixel by pixel."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.augment import ImageAugment
from ranvier.systems.vision.codes import Spikes
from ranvier.systems.vision.images import Images

EVERY = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)


def show(code, steps, image=EVERY, seed=0):
    return Spikes(num_steps=steps, code=code)(image, torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_time_to_first_spike_is_one_event_a_pixel_that_is_not_black_at_the_step_of_its_brightness(steps):
    shown = show("ttfs", steps)
    assert shown.shape == (steps, 1, 16, 16)
    assert torch.equal((shown > 0).sum(0), (EVERY > 0).long())
    for value in (1, 63, 64, 128, 200, 255):
        x = np.float32(value) / np.float32(255)
        (i,) = (i for i in range(steps) if steps - i - 1 < x * steps <= steps - i)
        seen = shown[:, 0, value // 16, value % 16]
        assert seen.argmax() == i
        assert seen[i].item() == pytest.approx(1 / (i + 1))


def test_phases_of_a_period_add_up_to_the_brightness():
    shown = show("phase", 16)
    assert torch.equal(shown[:8], shown[8:])
    x = EVERY.float() / 255
    expected = (256 * x).floor().clamp(max=255).double() / 128
    torch.testing.assert_close(shown[:8].sum(0), expected, rtol=0, atol=0)
    assert set((shown[3] * 8).unique().tolist()) == {0.0, 1.0}


def test_the_mean_of_a_rate_code_is_the_brightness():
    steps = 4000
    mean, x = show("rate", steps).mean(0), EVERY.double() / 255
    assert set(show("rate", 3).unique().tolist()) == {0.0, 1.0}
    sigma = (x * (1 - x) / steps).sqrt()
    assert float(((mean - x).abs() - 4 * sigma).max()) <= 0


def test_coins_are_tossed_anew_in_every_epoch_but_not_to_judge():
    task = Images(source="nmnist", limit=20, test_limit=20, steps=3, batch_size=20, code="rate")
    loader = task.train(0)
    first, again, next_epoch = (next(iter(loader.batches(epoch)))[0] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first.mean(), next_epoch.mean())
    judged, other = (next(iter(task.test().batches(epoch)))[0] for epoch in (0, 1))
    assert torch.equal(judged, other)
    assert set(judged.unique().tolist()) == {0.0, 1.0}
    assert judged.shape == (3, 20, 2, 34, 34)
    assert not torch.equal(judged[:, 0, 0], judged[:, 10, 0])


def test_images_are_augmented_before_they_become_spikes():
    plain = Images(source="nmnist", limit=20, steps=8, batch_size=20, code="phase")
    moved = Images(source="nmnist", limit=20, steps=8, batch_size=20, code="phase", augment=ImageAugment(flip=1.0))
    a, b = (next(iter(task.train(0).batches(0)))[0] for task in (plain, moved))
    assert torch.equal(a.flip(-1), b)


def test_what_is_no_code_is_refused():
    with pytest.raises(ConfigError, match=r"^Images\.code: expected one of direct, rate, ttfs, phase, got 'morse'\.$"):
        Images(code="morse")
    with pytest.raises(ConfigError, match=r"^Spikes\.code: expected rate, ttfs or phase, got 'direct'\.$"):
        Spikes(num_steps=2, code="direct")
