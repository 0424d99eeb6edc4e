import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import (
    Affine,
    Chain,
    Crop,
    DropArea,
    Dropout,
    DropTime,
    Events,
    Flip,
    OneOf,
    PolarityFlip,
    TimeFlip,
    TimeJitter,
)

ALL = [
    Affine(shift=3), Affine(shift=2, angle=20, scale=0.2, shear=0.2), Chain((Affine(shift=1), Dropout())),
    Crop(size=(20, 18)), DropArea(), Dropout(most=0.5), DropTime(), Flip(vertical=0.5),
    OneOf((Dropout(), DropTime(), DropArea())), PolarityFlip(), TimeFlip(), TimeJitter(),
]  # fmt: skip
COLUMNS = ("t", "x", "y", "polarity")


def recording(num=2000, size=(34, 34)):
    r = np.random.default_rng(0)
    t = np.sort(r.integers(0, 100_000, num))
    return Events.of(t, r.integers(0, 34, num), r.integers(0, 34, num), r.integers(0, 2, num), size=size)


def equal(a, b):
    return len(a) == len(b) and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_the_generator_decides_everything(augment):
    first = [augment(recording(), generator(1, k)) for k in range(8)]
    assert all(equal(a, augment(recording(), generator(1, k))) for k, a in enumerate(first))
    assert not all(equal(a, first[0]) for a in first[1:])


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_the_input_stays_and_the_result_obeys_the_rules_of_an_event_array(augment):
    events, before = recording(), recording()
    for k in range(5):
        after = augment(events, generator(0, k))
        Events.of(*(getattr(after, name) for name in COLUMNS), size=after.size)
        assert len(after) <= len(before)
    assert equal(events, before)
    assert len(augment(events[:0], generator(0))) == 0


def test_a_chain_goes_through_its_parts_with_one_generator():
    one = generator(3)
    want = Dropout()(Flip()(recording(), one), one)
    assert equal(Chain((Flip(), Dropout()))(recording(), generator(3)), want)


def test_one_of_applies_each_part_as_often():
    parts = (PolarityFlip(probability=1.0), Flip(horizontal=1.0), Flip(horizontal=0.0, vertical=1.0))
    seen = [0, 0, 0]
    for k in range(300):
        after = OneOf(parts)(recording(), generator(0, k))
        seen[[equal(after, part(recording(), generator(0))) for part in parts].index(True)] += 1
    assert min(seen) > 70  # 100 expected, deviation 8.2
    with pytest.raises(ConfigError, match="OneOf.parts: expected at least one augmentation"):
        OneOf(())
