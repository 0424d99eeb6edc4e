"""GEN1 and DSEC-Detection in miniatures of their real layout."""

import h5py
import numpy as np
import pytest

from ranvier.core.errors import DataError, FormatError
from ranvier.data.events import Events
from ranvier.data.formats import dat, records
from ranvier.data.sets import dsec_det, gen1

GEN1 = [
    ("ts", "<u8"),
    ("x", "<f4"),
    ("y", "<f4"),
    ("w", "<f4"),
    ("h", "<f4"),
    ("class_id", "u1"),
    ("confidence", "<f4"),
    ("track_id", "<u4"),
]
DSEC = [("t", "<u8"), *GEN1[1:6], ("class_confidence", "<f4"), ("track_id", "<u4")]
ROWS = [(500_000, 10, 20, 30, 40, 1, 0.5, 7), (300_000, 1, 2, 12, 11, 0, 1.0, 8), (900_000, 3, 4, 100, 50, 0, 1.0, 8)]


def boxes(path, kind=GEN1, rows=ROWS):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(rows, kind))


def recording(size, first=0):
    t = first + np.arange(10) * 100_000
    return Events.of(t, np.arange(10), np.arange(10), np.arange(10) % 2, size=size)


@pytest.fixture
def gen1_home(home):
    folder = home("gen1")
    for part in ("train", "val", "test"):
        (folder / part).mkdir()
        for name in ("b", "a"):
            dat.write(folder / part / f"{name}_td.dat", recording((240, 304)))
            boxes(folder / part / f"{name}_bbox.npy")
    return folder


def test_a_scene_has_boxes_in_time(gen1_home):
    made = gen1.load("validation")
    assert (len(made), made.names, made.classes) == (2, ("a", "b"), ("car", "pedestrian"))
    scene = made[0]
    assert scene.boxes.t.tolist() == [300_000, 500_000, 900_000]
    assert scene.boxes.labels.tolist() == [0, 1, 0]
    assert scene.boxes.tracks.tolist() == [8, 7, 8]
    assert scene.boxes.width.tolist() == [12, 30, 100]
    events, near = scene.window(300_000, 600_000)
    assert events.t.tolist() == [300_000, 400_000, 500_000]
    assert (near.t.tolist(), near.y.tolist()) == ([300_000, 500_000], [2, 20])
    assert scene.recording.size == (240, 304)
    assert made.take(np.array([1])).names == ("b",)
    assert gen1.SOURCE.place() == gen1_home


def test_what_evaluations_count(gen1_home):
    counted = gen1.load("test")[0].boxes.large(diagonal=gen1.DIAGONAL, side=gen1.SIDE, after=gen1.AFTER)
    assert counted.t.tolist() == [500_000, 900_000]  # the first is too early and too small
    assert len(gen1.load("test")[0].boxes.large(diagonal=0, side=45, after=0).t) == 1


def test_a_recording_without_boxes_is_named(gen1_home):
    (gen1_home / "train" / "b_bbox.npy").unlink()
    with pytest.raises(DataError, match="expected train/b_bbox.npy in"):
        gen1.load("train")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(1, 0, 0, 5, 5, 2, 1, 1)], "record 0: expected finite boxes of 2 classes, got t = 1, .*class_id = 2"),
        ([ROWS[0], (1, np.nan, 0, 5, 5, 1, 1, 1)], "record 1: expected finite boxes"),
        ([(1, 0, 0, -5, 5, 1, 1, 1)], "w = -5.0"),
    ],
)
def test_boxes_that_are_none_are_refused(gen1_home, rows, words):
    boxes(gen1_home / "train" / "a_bbox.npy", rows=rows)
    with pytest.raises(FormatError, match=words):
        gen1.load("train")[0]


def dsec(folder, sequence, first=58_000_000_000):
    made = recording((480, 640), first)
    path = folder / sequence / "events" / "left" / "events.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["events/t"] = (made.t - first).astype(np.uint32)
        file["events/x"], file["events/y"], file["events/p"] = made.x, made.y, made.polarity
        file["t_offset"] = np.int64(first)
    moved = [(row[0] + first, *row[1:]) for row in ROWS]
    boxes(folder / sequence / "object_detections" / "left" / "tracks.npy", DSEC, moved)


def test_dsec_follows_its_sequences_and_its_clock(home):
    folder = home("dsec_det")
    for sequence in ("train/zurich_city_09_b", "train/thun_00_a", "train/zurich_city_18_a", "test/thun_02_a"):
        dsec(folder, sequence)
    assert dsec_det.load("train").names == ("thun_00_a", "zurich_city_09_b")
    assert dsec_det.load("validation").names == ("zurich_city_18_a",)
    scene = dsec_det.load("test")[0]
    events, near = scene.window(58_000_300_000, 58_000_600_000)
    assert events.t.tolist() == [58_000_300_000, 58_000_400_000, 58_000_500_000]
    assert (near.t - 58_000_000_000).tolist() == [300_000, 500_000]
    assert [dsec_det.CLASSES[label] for label in near.labels] == ["pedestrian", "rider"]
    assert scene.recording.size == (480, 640)


def test_the_parts_of_dsec_are_apart_and_whole():
    parts = dsec_det.SEQUENCES
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [41, 6, 13]
    assert len(set().union(*parts.values())) == 60
    assert {"zurich_city_04_f", "interlaken_00_g", "zurich_city_11_c"} <= set(parts["train"])


def test_dsec_names_what_is_missing(home):
    folder = home("dsec_det")
    dsec(folder, "thun_00_a")
    with pytest.raises(DataError, match="expected interlaken_00_a/events/left/events.h5 in"):
        dsec_det.load("test")
    (folder / "thun_00_a" / "object_detections" / "left" / "tracks.npy").unlink()
    with pytest.raises(DataError, match="expected thun_00_a/object_detections/left/tracks.npy in"):
        dsec_det.load("train")


def npy(array):
    import io

    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_records_are_read_with_padding(tmp_path):
    kind = np.dtype({"names": ["t", "id"], "formats": ["<u8", "u1"], "offsets": [0, 12], "itemsize": 16})
    rows = np.zeros(3, kind)
    rows["t"], rows["id"] = [1, 2, 3], [4, 5, 6]
    made = records.parse(npy(rows), ["id", "t"])
    assert (made["t"].tolist(), made["id"].tolist()) == ([1, 2, 3], [4, 5, 6])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(np.zeros(3)), r"expected records \(N,\) with fields of numbers"),
        (npy(np.zeros((2, 2), GEN1)), "expected records"),
        (npy(np.zeros(3, DSEC))[:-1], "expected 3 records of 33 bytes, got 98 after the header"),
        (npy(np.zeros(3, [("t", "<u8")])), "got none named x"),
        (b"no file", "expected npy version"),
        (npy(np.zeros(3, DSEC)).replace(b"'<u8'", b"'|O8'"), "expected records"),
    ],
)
def test_what_is_no_file_of_records_is_refused(data, words):
    with pytest.raises(FormatError, match=words):
        records.parse(data, ["t", "x"])
