from itertools import chain

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data import Affine, Events, Hold, Loader, NumWindows, TimeWindows, preload, same


class Recordings:
    """23 recordings; recording i has 50 events, all but the last on pixel (i, 3), and label i % 4."""

    def __len__(self):
        return 23

    def __getitem__(self, index):
        t = np.arange(50) * (index + 1)
        x = np.full(50, index)
        x[-1] = 33
        return Events.of(t, x, np.full(50, 3), np.ones(50, int), size=(8, 40)), index % 4


def loader(**changes):
    options = {"encode": NumWindows(num=3), "augment": Affine(shift=2), "batch_size": 4, "seed": 7}
    return Loader(samples=Recordings(), **{**options, **changes})


def collected(made, epoch, start=0):
    return list(made.batches(epoch, start))


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(first, second, strict=True)
    )


def test_batches_have_time_first():
    batches = collected(loader(), 0)
    assert [tuple(x.shape) for x, _ in batches] == [(3, 4, 2, 8, 40)] * 5 + [(3, 3, 2, 8, 40)]
    assert all(y.dtype == torch.int64 for _, y in batches)
    assert sum(x.sum() for x, _ in batches) > 22 * 49


def test_inputs_and_targets_belong_together():
    for x_TBCHW, y in loader(augment=None).batches(2):
        pixel = x_TBCHW.sum((0, 2, 3)).argmax(1)
        np.testing.assert_array_equal(pixel % 4, y)


def test_every_sample_comes_once_an_epoch():
    indices = loader().indices(0)
    assert sorted(chain(*indices)) == list(range(23))
    assert indices != loader().indices(1)
    assert indices == loader().indices(0)
    assert indices != loader(seed=8).indices(0)
    assert list(chain(*loader(shuffle=False).indices(3))) == list(range(23))
    assert loader().num_batches == len(indices) == 6
    assert loader(drop_last=True).num_batches == len(loader(drop_last=True).indices(0)) == 5


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(num_workers):
    alone = [collected(loader(), epoch) for epoch in (0, 1)]
    helped = [collected(loader(num_workers=num_workers), epoch) for epoch in (0, 1)]
    assert equal(alone[0], helped[0])
    assert equal(alone[1], helped[1])
    assert not equal(alone[0], alone[1])


@pytest.mark.parametrize("start", [0, 1, 5, 6])
def test_resuming_within_an_epoch_gives_the_rest_of_it(start):
    assert equal(collected(loader(), 4)[start:], collected(loader(), 4, start))


def test_augmentation_depends_on_epoch_and_index_alone():
    def sample_zero(made, epoch):
        for (x, _), indices in zip(made.batches(epoch), made.indices(epoch), strict=True):
            if 0 in indices:
                return x[:, indices.index(0)]
        raise AssertionError

    here = sample_zero(loader(), 3)
    assert torch.equal(here, sample_zero(loader(batch_size=5, shuffle=False), 3))
    others = [sample_zero(loader(shuffle=False), epoch) for epoch in range(6)]
    assert any(not torch.equal(here, other) for other in others)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    collected(loader(), 0)
    assert torch.equal(before, torch.get_rng_state())


def test_ranks_share_the_batches_of_one_process():
    whole = loader(batch_size=8, drop_last=True).indices(1)
    parts = [loader(batch_size=4, rank=r, world_size=2, drop_last=True).indices(1) for r in (0, 1)]
    assert [sorted(batch) for batch in whole] == [sorted(a + b) for a, b in zip(*parts, strict=True)]


def test_ranks_have_as_many_batches_and_samples():
    parts = [loader(batch_size=5, rank=r, world_size=3).indices(0) for r in range(3)]
    assert [[len(b) for b in part] for part in parts] == [[5, 3]] * 3
    assert set(chain(*chain(*parts))) == set(range(23))


def test_preloaded_samples_give_the_same_batches():
    fast = Loader(samples=preload(Recordings(), NumWindows(num=3)), encode=same, batch_size=4, seed=7)
    assert equal(collected(loader(augment=None), 0), collected(fast, 0))


def test_hold_shows_an_image_at_every_step():
    image = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4)
    held = Hold(num_steps=5)(image)
    assert held.shape == (5, 1, 3, 4)
    np.testing.assert_allclose(held[4], image / 255)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"batch_size": 0}, r"Loader.batch_size: expected a number >= 1, got 0"),
        ({"num_workers": -1}, r"Loader.num_workers"),
        ({"rank": 2, "world_size": 2}, r"Loader.rank: expected a rank below 2, got 2"),
    ],
)
def test_senseless_numbers_are_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        loader(**changes)


def test_an_empty_set_is_refused():
    with pytest.raises(ShapeError, match=r"Loader.samples: expected at least one sample, got none"):
        Loader(samples=[], encode=same)


def test_frames_of_different_numbers_are_refused_with_the_mend():
    made = loader(encode=TimeWindows(window="100 us"), augment=None)
    with pytest.raises(ShapeError, match=r"expected samples of one shape, got \(.* and .* given number of frames"):
        collected(made, 0)


def test_a_missing_framing_is_named():
    with pytest.raises(ShapeError, match=r"tensor with time first, got Events. Pass a framing such as NumWindows"):
        collected(loader(encode=lambda events: events), 0)


def test_hold_needs_a_step():
    with pytest.raises(ConfigError, match=r"Hold.num_steps"):
        Hold(num_steps=0)


def test_hold_normalises_each_channel():
    image = torch.randint(256, (2, 3, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    held = Hold(num_steps=2, mean=(0.5, 0.1), std=(0.25, 0.5))(image)
    expected = (image.numpy() / 255 - np.array([0.5, 0.1])[:, None, None]) / np.array([0.25, 0.5])[:, None, None]
    np.testing.assert_allclose(held[1], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match=r"Hold\.std: expected as many deviations as means, all of them > 0"):
        Hold(num_steps=1, mean=(0.5,), std=(0.0,))
