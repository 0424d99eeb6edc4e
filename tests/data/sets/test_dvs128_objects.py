import numpy as np
import pytest

from ranvier.core.errors import ConfigError, DataError, FormatError
from ranvier.data import Loader, NumWindows
from ranvier.data.sets import dvs128_objects


def pack(**changes):
    t = np.array([5, 10, 15, 25, 36, 0, 100], np.uint32)
    made = {
        "x": np.arange(7, dtype=np.uint8), "y": np.full(7, 127, np.uint8), "p": np.array([0, 1, 0, 1, 0, 1, 1], np.uint8), "t": t,
        "offsets": np.array([0, 5, 7]), "labels": np.array([1, 0], np.uint8), "class_names": np.array(["box", "mug"]),
    }  # fmt: skip
    return {**made, **changes}


@pytest.fixture
def folder(home):
    path = home("dvs128_objects")
    np.savez(path / "dvs128_object_events_train.npz", **pack())
    return path


def test_recordings_are_whole(folder):
    made = dvs128_objects.load("train")
    assert (len(made), made.classes, made.size) == (2, ("box", "mug"), (128, 128))
    events, label = made[0]
    assert (label, events.t.tolist(), events.x.tolist()) == (1, [5, 10, 15, 25, 36], [0, 1, 2, 3, 4])
    with pytest.raises(DataError, match="expected dvs128_object_events_test.npz in"):
        dvs128_objects.load("test")


def test_windows_are_whole_and_lose_no_event_within_them(folder):
    made = dvs128_objects.load("train").windows("10 us")
    # 5..36 holds three windows [5, 15), [15, 25), [25, 35); 0..100 ten
    assert [made[i][0].t.tolist() for i in range(3)] == [[5, 10], [15], [25]]
    assert made.labels.tolist() == [1, 1, 1] + [0] * 10
    assert made.ids.tolist() == [1] * 3 + [2] * 10
    assert [len(made[3 + i][0]) for i in range(10)] == [1] + [0] * 9
    overlapping = dvs128_objects.load("train").windows("20 us", step="10 us")
    assert [overlapping[i][0].t.tolist() for i in range(2)] == [[5, 10, 15], [15, 25]]
    x_TBCHW, y_B = next(Loader(samples=made, encode=NumWindows(num=2, start=None), batch_size=13).batches(0))
    assert x_TBCHW.sum() == 5
    assert y_B.sum() == 3


def test_a_window_longer_than_the_recordings_gives_none(folder):
    assert len(dvs128_objects.load("train").windows("1 s")) == 0
    assert len(dvs128_objects.load("train").windows("101 us")) == 1
    with pytest.raises(ConfigError, match="expected a duration and a step of at least 1 us"):
        dvs128_objects.load("train").windows(0.0)


def test_frames_are_read_with_their_signs(folder):
    values = np.zeros((2, 128, 128), np.int8)
    values[1, 3, 4] = -5
    np.savez(
        folder / dvs128_objects.FRAMES,
        test_x=values,
        test_y=np.array([0, 1], np.uint8),
        class_names=np.array(["a", "b"]),
    )
    frame, label = dvs128_objects.frames("test")[1]
    assert (frame.shape, frame[3, 4].item(), frame.sum().item(), label) == ((128, 128), -5.0, -5.0, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": np.full(7, 128, np.uint8)}, "recording 0, event 0: expected a pixel"),
        ({"t": np.array([5, 4, 15, 25, 36, 0, 100], np.uint32)}, "recording 0, event 1: expected a time >= 5 us"),
        ({"labels": np.array([1, 2], np.uint8)}, "expected labels from 0 to 1"),
    ],
)
def test_broken_packs_are_refused(folder, changes, words):
    np.savez(folder / "dvs128_object_events_train.npz", **pack(**changes))
    with pytest.raises(FormatError, match=words):
        dvs128_objects.load("train")


def test_the_real_recordings_are_read(real):
    real("dvs128_objects", *(made.name for made in dvs128_objects.SOURCE.packs))
    train, test = dvs128_objects.load("train"), dvs128_objects.load("test")
    assert (len(train), len(test)) == (7, 5)
    assert train.classes == test.classes
    windows = train.windows(500.0)
    assert set(windows.labels.tolist()) == set(range(7))
    assert 7 * 33 < len(windows) < 7 * 42
    assert (
        0.9 * train.columns["t"].size < sum(len(windows[i][0]) for i in range(len(windows))) <= train.columns["t"].size
    )
    assert [dvs128_objects.frames(split).values.shape for split in ("train", "test")] == [
        (880, 128, 128),
        (264, 128, 128),
    ]
