"""Everything that is called with events takes DeviceEvents too, and gives the same."""

import numpy as np
import pytest
import torch

from ranvier import data
from ranvier.core.seeds import generator
from ranvier.data import DeviceEvents, Events
from ranvier.data.transforms import past

AUGMENTATIONS = [
    data.Affine(shift=3.0),
    data.Affine(shift=1.5, angle=20.0, scale=0.2, shear=0.1),
    data.Flip(horizontal=1.0, vertical=1.0),
    data.Crop(size=(4, 3)),
    data.Crop(size=(4, 3), centre=True),
    data.DropTime(most=0.9),
    data.DropArea(most=0.9),
    data.Dropout(most=0.9),
    data.TimeFlip(probability=1.0),
    data.TimeJitter(std="200 us"),
    data.PolarityFlip(probability=1.0),
    data.Chain((data.Flip(), data.OneOf((data.Dropout(), data.DropTime())))),
]
FILTERS = [
    data.BackgroundActivity(tau="400 us"),
    data.STCF(tau="900 us"),
    data.Neighbourhood(tau="900 us"),
    data.HotPixels(num_std=1.0),
    data.Integrate(factor=2, threshold=2),
    data.Difference(window="5 ms"),
]
SLICERS = [
    data.SliceByTime(window="7 ms", overlap="2 ms"),
    data.SliceByCount(count=70, overlap=11),
]


def recording(num=300, seed=0, *, start=0):
    r = np.random.default_rng(seed)
    t = np.sort(r.integers(0, 50_000, num)) + start
    return Events.of(t, r.integers(0, 7, num), r.integers(0, 5, num), r.integers(0, 2, num), size=(5, 7))


def same(there, here):
    assert isinstance(there, DeviceEvents)
    assert isinstance(here, Events)
    assert there.size == here.size
    for name, dtype in (("t", torch.int64), ("x", torch.int16), ("y", torch.int16), ("polarity", torch.uint8)):
        assert getattr(there, name).dtype == dtype
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def name(value):
    return type(value).__name__


@pytest.mark.parametrize("augment", AUGMENTATIONS, ids=name)
@pytest.mark.parametrize("num", [0, 1, 300])
def test_augmentations_give_the_same_events(augment, num):
    for events in (recording(num), recording(num, start=1_700_000_000_000_000)):
        here = augment(events, generator(0, "a"))
        same(augment(DeviceEvents.of(events, "cpu"), generator(0, "a")), here)
    assert num < 300 or len(here) > 0


def test_every_augmentation_is_looked_at():
    named = {type(augment).__name__ for augment in AUGMENTATIONS} | {"OneOf", "Mix", "Mixed", "Augmentation", "merge"}
    images = {"ImageAugment", "MixImages", "Mixing"}
    assert named == set(data.augment.__all__) - images


@pytest.mark.parametrize("num", [0, 1, 300])
def test_mixtures_are_the_same(num):
    first, second = recording(num), recording(200, 1, start=999)
    there = [DeviceEvents.of(events, "cpu") for events in (first, second)]
    same(data.merge(*there), data.merge(first, second))
    for seed in range(5):
        here = data.Mix(most=0.9)(first, second, generator(seed, "m"))
        got = data.Mix(most=0.9)(*there, generator(seed, "m"))
        same(got.events, here.events)
        assert got.share == here.share


@pytest.mark.parametrize("filtered", FILTERS, ids=name)
@pytest.mark.parametrize("num", [0, 1, 300])
def test_filters_and_smaller_sensors_give_the_same_events(filtered, num):
    events = recording(num)
    here = filtered(events)
    same(filtered(DeviceEvents.of(events, "cpu")), here)
    assert num < 300 or len(here) > 0


@pytest.mark.parametrize("slicer", SLICERS, ids=name)
def test_slices_are_the_same(slicer):
    for num in (0, 300):
        events = recording(num)
        there = DeviceEvents.of(events, "cpu")
        np.testing.assert_array_equal(slicer.bounds(there), slicer.bounds(events))
        for got, want in zip(slicer(there), slicer(events), strict=True):
            same(got, want)
    by_label = data.SliceByLabel((data.Span(0, 9000, 3), data.Span(5000, 60_000, 1)))
    for (got, label), (want, other) in zip(by_label(there), by_label(events), strict=True):
        same(got, want)
        assert label == other


@pytest.mark.parametrize("num", [0, 1, 300])
def test_the_forms_for_accelerators_find_the_same_company(num):
    events = recording(num)
    there = DeviceEvents.of(events, "cpu")
    for window in (1, 400, 10**15):
        fired = sum(past.fired_around(events, window=window), np.zeros(num, np.int64))
        np.testing.assert_array_equal(past._fired_there(there, window), fired)
        for radius in (1, 2):
            counts = sum(past.counts_around(events, radius=radius, window=window), np.zeros(num, np.int64))
            np.testing.assert_array_equal(past._counts_there(there, radius, window), counts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_all_of_it_is_the_same_on_a_gpu():
    events = recording()
    there = DeviceEvents.of(events, "cuda")
    for augment in AUGMENTATIONS:
        same(DeviceEvents.of(augment(there, generator(0, "a")), "cpu"), augment(events, generator(0, "a")))
    for filtered in FILTERS:
        same(DeviceEvents.of(filtered(there), "cpu"), filtered(events))
    for transform in (data.NumWindows(num=5), data.Voxels(num_bins=5), data.EventQueue(), data.TORE(), data.HATS()):
        torch.testing.assert_close(transform(there).cpu(), transform(events), rtol=1e-6, atol=1e-7)
