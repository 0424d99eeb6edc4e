"""Formats of rows and columns: text, .npy, .npz, HDF5."""

import gzip
import io

import h5py
import numpy as np
import pytest

from ranvier.core.errors import EventFormatError, MissingExtraError
from ranvier.data import open_events
from ranvier.data.formats import hdf5, npz_events, text
from ranvier.data.formats.decimals import numbers
from tests.data.formats.battery import same, some_events

ROWS = [(0.003811, 96, 133, 0), (0.0038205, 127, 171, 0), (1.5, 4, 160, 1)]
TIMES = [3811, 3821, 1_500_000]


def lines(order, separator=" ", header=""):
    rows = [separator.join(str(dict(zip("txyp", row, strict=True))[name]) for name in order) for row in ROWS]
    return (header + "\n".join(rows) + "\n").encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        lines("txyp"),
        lines("xypt", "\t"),
        lines("ptxy", ", "),
        lines("xytp", ";", "x;y;t;p\n"),
        lines("ptxy", ",", "# a comment\npolarity,t[s],x,y\n"),
        lines("txyp").replace(b"\n", b"\r\n"),
        lines("txyp")[:-1],
        lines("txyp", header="240 180\n"),
        b"timestamp_us x y pol\n3811 96 133 -1\n3821 127 171 -1\n1500000 4 160 1\n",
        b"3.811e-3 96 133 0\n3.8210000000000000e-03 1.27e2 171 0\n1.5e0 4 160 1\n",
    ],
)
def test_columns_are_told_apart_by_name_or_by_what_they_hold(data, packed, tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(data) if packed else data)
    events = open_events(tmp_path / "a").read()
    assert events.t.tolist() == TIMES
    assert (events.x.tolist(), events.y.tolist()) == ([96, 127, 4], [133, 171, 160])
    assert events.polarity.tolist() == [0, 0, 1]


def test_lines_that_are_no_events_are_named_or_skipped(tmp_path):
    (tmp_path / "a").write_bytes(b"t x y p\n1 2 3 0\n2 x 3 0\n\n# a comment\n3 2 3\n4 2.5 3 1\n5 6 7 1\n")
    with pytest.raises(
        EventFormatError, match=r"byte 16: expected 4 numbers, of which x, y and p are whole, got b'2 x 3 0'"
    ):
        open_events(tmp_path / "a").read()
    events, report = open_events(tmp_path / "a", mode="repair").read_with_report()
    assert events.t.tolist() == [1, 5]
    assert report.skipped_bytes == 8 + 6 + 10
    assert report.faults["unreadable line"].num == 3


def test_a_gzip_that_is_cut_is_told(tmp_path):
    events = some_events(5000)
    whole = gzip.compress(text.to_bytes(events))
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EventFormatError, match=r"expected a whole gzip stream, got the end of the file within"):
        open_events(tmp_path / "a").read()
    found = open_events(tmp_path / "a", mode="repair").read()
    assert 0 < len(found) < 5000


def test_a_file_named_gz_is_written_gzipped(tmp_path):
    text.write(tmp_path / "a.csv.gz", some_events(10))
    assert (tmp_path / "a.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert same(open_events(tmp_path / "a.csv.gz").read(), some_events(10))


@pytest.mark.parametrize(
    ("token", "unit", "number"),
    [
        ("0", 1, 0), ("-17", 1, -17), ("+3", 1, 3), ("1.", 1e6, 1_000_000), (".5", 1e6, 500_000),
        ("0.0000005", 1e6, 1), ("0.00000049", 1e6, 0), ("1605537493.718345", 1e6, 1605537493718345),
        ("9007199254740993", 1, 9007199254740993), ("1e3", 1, 1000), ("9" * 17, 1e6, 1 << 61), ("12", 1e-3, 0),
    ],
)  # fmt: skip
def test_decimals_are_read_exactly(token, unit, number):
    raw = np.frombuffer(token.encode(), np.uint8)
    values, fine = numbers(raw, np.array([0]), np.array([raw.size]), unit, whole=False)
    assert (values.tolist(), fine.tolist()) == ([number], [True])


@pytest.mark.parametrize("token", ["", "-", ".", "1.2.3", "1-2", "0x10", "nan", "inf", "1_0", "e5", "1e", "9" * 41])
def test_what_is_no_number_is_told(token):
    raw = np.frombuffer(token.encode() + b" ", np.uint8)
    assert not numbers(raw, np.array([0]), np.array([raw.size - 1]), 1.0, whole=True)[1][0]


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_npy_takes_structured_fields_in_any_order_and_rows_without_names(tmp_path):
    structured = np.zeros(3, [("x", "u2"), ("y", "u2"), ("polarity", "?"), ("timestamp", "u8")])
    structured["x"], structured["y"], structured["timestamp"] = [96, 127, 4], [133, 171, 160], TIMES
    structured["polarity"] = [0, 0, 1]
    rows = np.array([(x, y, p, t) for t, x, y, p in ROWS])
    for array in (structured, rows):
        (tmp_path / "a").write_bytes(npy_bytes(array))
        events = open_events(tmp_path / "a").read()
        assert (events.t.tolist(), events.x.tolist(), events.polarity.tolist()) == (
            [3811, events.t[1], 1_500_000],
            [96, 127, 4],
            [0, 0, 1],
        )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"expected a structured array \(N,\) of plain numbers, or rows \(N, 4\)"),
        (np.zeros(3, [("a", "i4"), ("b", "i4")]), r"expected fields of numbers for t, x, y and p"),
        (np.zeros((3, 4), complex), r"expected rows of 4 to 64 numbers"),
    ],
)
def test_npy_of_something_else_is_refused(array, message, tmp_path):
    (tmp_path / "a").write_bytes(npy_bytes(array))
    with pytest.raises(EventFormatError, match=message):
        open_events(tmp_path / "a")


def test_npy_of_another_length_than_declared_is_told(tmp_path):
    from ranvier.data.formats import npy

    npy.write(tmp_path / "a", some_events(10))
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[:-20])
    with pytest.raises(EventFormatError, match=r"expected 10 rows as declared, got room for 8"):
        open_events(tmp_path / "a").read()
    assert len(open_events(tmp_path / "a", mode="repair").read()) == 8


def test_npz_of_several_recordings_opens_any_of_them(tmp_path):
    a, b = some_events(10), some_events(20, seed=1)
    columns = {f"{p}_{n}": c for p, e in (("left", a), ("right", b)) for n, c in zip("txyp", e.tensors(), strict=True)}
    np.savez(tmp_path / "a.npz", **{name: np.asarray(column) for name, column in columns.items()})
    assert open_events(tmp_path / "a.npz").metadata["recordings"] == ["left", "right"]
    for which, events in ((0, a), (1, b), ("right", b)):
        assert same(open_events(tmp_path / "a.npz", format=npz_events.recording(which)).read(), events)
    with pytest.raises(EventFormatError, match=r"expected a recording of \['left', 'right'\], got 'up'"):
        open_events(tmp_path / "a.npz", format=npz_events.recording("up"))


def test_npz_with_offsets_and_npz_of_one_structured_array(tmp_path):
    a, b = some_events(10), some_events(20, seed=1)
    joined = {
        n: np.concatenate([np.asarray(p), np.asarray(q)])
        for n, p, q in zip("txyp", a.tensors(), b.tensors(), strict=True)
    }
    np.savez(tmp_path / "a.npz", **joined, offsets=[0, 10, 30])
    assert same(open_events(tmp_path / "a.npz", format=npz_events.recording(1)).read(), b)
    rows = np.zeros(10, [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "u1")])
    rows["t"], rows["x"], rows["y"], rows["p"] = a.t, a.x, a.y, a.polarity
    np.savez(tmp_path / "b.npz", events=rows)
    assert same(open_events(tmp_path / "b.npz").read(), a)


def columns_in(group, e, names="txyp", t=None):
    for name, column in zip(names, (e.t if t is None else t, e.x, e.y, e.polarity), strict=True):
        group.create_dataset(name, data=column)


def test_hdf5_layouts_are_found_by_what_is_inside(tmp_path):
    e = some_events(500)
    with h5py.File(tmp_path / "dsec", "w") as file:
        columns_in(file.create_group("events"), e, t=(e.t - 100).astype(np.int32))
        file["t_offset"] = 100
    rows = np.zeros(500, [("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")])
    rows["t"], rows["x"], rows["y"], rows["p"] = e.t, e.x, e.y, e.polarity
    with h5py.File(tmp_path / "prophesee", "w") as file:
        file.create_dataset("CD/events", data=rows, compression="gzip")
    with h5py.File(tmp_path / "mvsec", "w") as file:
        file["davis/left/events"] = np.stack([e.x, e.y, e.t / 1e6, e.polarity * 2.0 - 1], 1)
    with h5py.File(tmp_path / "generic", "w") as file:
        columns_in(file.create_group("a/b"), e, ("ts", "xs", "ys", "ps"), t=e.t / 1e6)
        file.attrs["sensor_resolution"] = (48, 64)
    for name in ("dsec", "prophesee", "mvsec", "generic"):
        recording = open_events(tmp_path / name, chunk_bytes=999)
        assert recording.format.name == "hdf5"
        assert same(recording.read(), e), name


def test_hdf5_spikes_of_shd_are_channels_in_us(tmp_path):
    float16, uint16 = h5py.vlen_dtype(np.float16), h5py.vlen_dtype(np.uint16)
    with h5py.File(tmp_path / "shd", "w") as file:
        times, units = (
            file.create_dataset("spikes/times", (2,), float16),
            file.create_dataset("spikes/units", (2,), uint16),
        )
        times[0], units[0] = np.array([0.25, 0.5], np.float16), np.array([3, 699], np.uint16)
        times[1], units[1] = np.array([1.375], np.float16), np.array([7], np.uint16)
        file["labels"] = np.array([4, 9])
    first = open_events(tmp_path / "shd")
    assert (first.size, first.metadata["recordings"], first.metadata["label"]) == ((1, 700), 2, 4)
    assert (first.read().t.tolist(), first.read().x.tolist()) == ([250_000, 500_000], [3, 699])
    second = open_events(tmp_path / "shd", format=hdf5.recording(1))
    assert second.read().t.tolist() == [1_375_000]
    with pytest.raises(EventFormatError, match=r"expected a recording from 0 to 1, got 2"):
        open_events(tmp_path / "shd", format=hdf5.recording(2))


def test_hdf5_refuses_what_lies_elsewhere_or_is_not_there(tmp_path):
    with h5py.File(tmp_path / "links", "w") as file:
        file["events"] = h5py.ExternalLink("/etc/passwd", "/events")
        file["soft"] = h5py.SoftLink("/events")
    with pytest.raises(EventFormatError, match=r"expected data sets of events .*, got none"):
        open_events(tmp_path / "links")
    (tmp_path / "bytes").write_bytes(bytes(800))
    with h5py.File(tmp_path / "external", "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (100,), "i8", external=[(str(tmp_path / "bytes"), 0, 800)])
    with pytest.raises(EventFormatError, match=r"stored in the file, got virtual or external storage"):
        open_events(tmp_path / "external")
    with h5py.File(tmp_path / "huge", "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (1 << 40,), "i8", chunks=(1000,))
    with pytest.raises(EventFormatError, match=r"bytes stored, got 8796093022208 bytes declared"):
        open_events(tmp_path / "huge")


def test_hdf5_names_the_filter_that_is_missing(tmp_path):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((10,))
    plist.set_filter(36559, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(tmp_path / "a", "w") as file:
        kind = h5py.h5t.py_create(np.dtype([("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")]))
        group = file.create_group("CD")
        h5py.h5d.create(group.id, b"events", kind, h5py.h5s.create_simple((10,)), dcpl=plist)
    with pytest.raises(MissingExtraError, match=r"expected known filters, got filter ECF \(Prophesee's own\)"):
        open_events(tmp_path / "a")
