import numpy as np
import pytest

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.sets import load_events, load_images


def event_pack(**changes):
    return {
        "x": np.array([0, 1, 2, 3, 4], np.uint8),
        "y": np.array([4, 3, 2, 1, 0], np.uint8),
        "p": np.array([0, 1, 0, 1, 0], np.uint8),
        "t": np.array([5, 9, 2, 2, 7], np.uint32),
        "offsets": np.array([0, 2, 2, 5]),
        "labels": np.array([7, 8, 9], np.uint8),
        "ids": np.array([11, 12, 13], np.int32),
        **changes,
    }


def saved(tmp_path, pack):
    np.savez(tmp_path / "a.npz", **{name: value for name, value in pack.items() if value is not None})
    return tmp_path / "a.npz"


def test_recordings_are_cut_at_the_offsets(tmp_path):
    made = load_events(saved(tmp_path, event_pack()), size=(5, 5))
    assert len(made) == 3
    assert [len(made[i][0]) for i in range(3)] == [2, 0, 3]
    events, label = made[2]
    np.testing.assert_array_equal(events.t, [2, 2, 7])
    np.testing.assert_array_equal(events.x, [2, 3, 4])
    np.testing.assert_array_equal(events.y, [2, 1, 0])
    np.testing.assert_array_equal(events.polarity, [0, 1, 0])
    assert label == 9
    assert events.size == (5, 5)


def test_taking_keeps_labels_and_ids_together(tmp_path):
    made = load_events(saved(tmp_path, event_pack()), size=(5, 5)).take(np.array([2, 0]))
    assert [made[i][1] for i in range(2)] == [9, 7]
    np.testing.assert_array_equal(made.ids, [13, 11])
    np.testing.assert_array_equal(made[1][0].t, [5, 9])


def test_ids_count_from_one_where_the_pack_has_none(tmp_path):
    np.testing.assert_array_equal(load_events(saved(tmp_path, event_pack(ids=None)), size=(5, 5)).ids, [1, 2, 3])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"t": None, "p": None}, r"a.npz: expected an event pack, got no member p, t"),
        ({"x": np.arange(4)}, r"member 'x.npy': expected whole numbers of shape \(5,\), got int64 \(4,\)"),
        ({"p": np.ones(5)}, r"member 'p.npy': expected whole numbers .* float64"),
        ({"offsets": np.array([0, 2, 1, 5])}, r"expected rising offsets from 0 to 5, got 0 to 5, falling in between"),
        ({"offsets": np.array([0, 2, 3, 6])}, r"expected rising offsets from 0 to 5, got 0 to 6"),
        ({"offsets": np.array([1, 2, 3, 5])}, r"got 1 to 5"),
        ({"offsets": np.zeros(0, int)}, r"expected N \+ 1 whole numbers"),
        ({"labels": np.array([1, 2])}, r"expected 3 labels, got int64 \(2,\)"),
        ({"labels": np.array([1, 2, 10])}, r"expected labels from 0 to 9, got 1 to 10"),
        ({"ids": np.array([1.0, 2.0, 3.0])}, r"member 'ids.npy': expected 3 whole numbers"),
        ({"x": np.array([0, 1, 5, 3, 4])}, r"recording 2, event 0: expected a pixel .* got x = 5, y = 2"),
        ({"t": np.array([5, 4, 2, 2, 7])}, r"recording 0, event 1: expected a time >= 5 us.* got 4 us"),
        ({"p": np.array([0, 1, 0, 2, 0])}, r"recording 2, event 1: expected a polarity of 0 or 1, got 2"),
    ],
)
def test_a_pack_that_contradicts_itself_is_refused(tmp_path, changes, text):
    with pytest.raises(FormatError, match=text):
        load_events(saved(tmp_path, event_pack(**changes)), size=(5, 5))


def test_grey_images_get_one_channel(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.savez(tmp_path / "a.npz", x=images, y=np.array([3, 4]))
    made = load_images(tmp_path / "a.npz")
    assert made.images.shape == (2, 1, 3, 4)
    image, label = made[1]
    np.testing.assert_array_equal(image[0], images[1])
    assert label == 4
    assert len(made.take(np.array([1]))) == 1


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (np.zeros((2, 3, 4)), np.zeros(2, int), r"expected images \(N, H, W\) .* got float64 \(2, 3, 4\)"),
        (np.zeros((2, 12), np.uint8), np.zeros(2, int), r"expected images .* got uint8 \(2, 12\)"),
        (np.zeros((2, 3, 4), np.uint8), np.zeros(3, int), r"expected 2 labels, got int64 \(3,\)"),
        (np.zeros((2, 3, 4), np.uint8), np.array([-1, 0]), r"expected labels from 0 to 9, got -1 to 0"),
    ],
)
def test_images_and_labels_must_belong_together(tmp_path, x, y, text):
    np.savez(tmp_path / "a.npz", x=x, y=y)
    with pytest.raises(FormatError, match=text):
        load_images(tmp_path / "a.npz")


def test_an_unknown_array_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", train_x=np.zeros(3))
    with pytest.raises(UnknownNameError, match="Did you mean 'train_x'"):
        load_images(tmp_path / "a.npz", images="train_xx")
