"""Event sets, each in a miniature of its real layout made here."""

import io
import json
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
import pytest

from ranvier.core.errors import DataError, EventFormatError, FormatError, UnknownNameError
from ranvier.data import Loader, NumWindows, cached
from ranvier.data.events import Events
from ranvier.data.formats import aedat2, aedat3, aedat4, dat, nmnist_bin, npy, npz_events
from ranvier.data.sets import asl_dvs, cifar10dvs, dailydvs200, dvs_gesture, dvslip, hardvs, ncaltech101, ncars


def events(first, size, num=3):
    """Events 1 ms apart from ``first`` us on, at (k, 2k)."""
    k = np.arange(num)
    return Events.of(first + 1000 * k, k, 2 * k, k % 2, size=size)


def same(got, wanted):
    for column in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(got, column), getattr(wanted, column))
    assert got.size == wanted.size


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return out.getvalue()


def put(folder, members):
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def as_bytes(tmp_path, write, *args, suffix=""):
    path = tmp_path / f"made{suffix}"
    write(path, *args)
    return path.read_bytes()


def usable(module, **options):
    """Every part goes through a loader, and taking a sample alone gives that sample."""
    made = module.load(**options)
    x_TBCHW, y_B = next(Loader(samples=made, encode=NumWindows(num=2), batch_size=len(made), shuffle=False).batches(0))
    assert x_TBCHW.shape == (2, len(made), 2, *made.size)
    assert y_B.tolist() == made.labels.tolist()
    same(made.take(np.array([len(made) - 1]))[0][0], made[len(made) - 1][0])
    assert module.SOURCE.place() is not None
    return made


CALTECH = {
    "Caltech101/airplanes/image_0002.bin": nmnist_bin.to_bytes(events(20, (180, 240))),
    "Caltech101/airplanes/image_0001.bin": nmnist_bin.to_bytes(events(10, (180, 240))),
    "Caltech101/BACKGROUND_Google/image_0001.bin": nmnist_bin.to_bytes(events(30, (180, 240))),
    "Caltech101/readme.txt": b"x",
}


@pytest.mark.parametrize("layout", ["folder", "zip", "zip in a zip"])
def test_ncaltech101_has_a_folder_a_class(home, layout):
    folder = home("ncaltech101")
    if layout == "folder":
        put(folder, CALTECH)
    elif layout == "zip":
        put(folder, {"Caltech101.zip": zipped(CALTECH)})
    else:
        put(folder, {"N-Caltech101-archive.zip": zipped({"x/Caltech101.zip": zipped(CALTECH), "annotations.zip": b""})})
    made = usable(ncaltech101)
    assert made.classes == ("BACKGROUND_Google", "airplanes")
    assert (made.labels.tolist(), made.ids.tolist()) == ([0, 1, 1], [1, 1, 2])
    same(made[2][0], events(20, (180, 240)))


def turned(made):
    """How a camera on its side wrote a picture down: our (x, y) is (127 - y, x) of jAER's."""
    return Events(made.t, made.y, (127 - made.x).astype(np.int16), made.polarity, made.size)


@pytest.mark.parametrize("layout", ["aedat", "aedat4", "zip"])
def test_cifar10dvs_is_split_by_number_and_stands_upright(home, layout):
    folder, members = home("cifar10dvs"), {}
    for name, number in (("airplane", 5), ("truck", 99), ("truck", 100), ("airplane", 999), ("airplane", 1000)):
        made = events(7 + number, (128, 128))
        data = aedat4.to_bytes(made) if layout == "aedat4" else aedat2.to_bytes(turned(made), profile=aedat2.DVS128)
        members[f"{name}/cifar10_{name}_{number}.{'aedat4' if layout == 'aedat4' else 'aedat'}"] = data
    if layout == "zip":
        for name in ("airplane", "truck"):
            put(folder, {f"{name}.zip": zipped({k: v for k, v in members.items() if k.startswith(name)})})
    else:
        put(folder, members)
    test, train = cifar10dvs.load("test"), cifar10dvs.load("train")
    assert (test.labels.tolist(), test.ids.tolist()) == ([0, 9], [5, 99])
    assert (train.labels.tolist(), train.ids.tolist()) == ([0, 0, 9], [999, 1000, 100])
    for made in (test, train):
        for index in range(len(made)):
            same(made[index][0], events(0, (128, 128)))  # times count from the first event


def gesture_files():
    whole = Events.of(
        np.arange(0, 1_000_000, 1000) + 5_000_000, np.arange(1000) % 128, np.arange(1000) // 8 % 128, np.arange(1000) % 2,
        size=(128, 128),
    )  # fmt: skip
    rows = "class,startTime_usec,endTime_usec\n1,5000000,5100000\n11,5050000,5150000\n3,5900000,5800000\n"
    files = {}
    for name in ("user01_led", "user24_fluorescent_led"):
        files[f"DvsGesture/{name}.aedat"] = aedat3.to_bytes(whole)
        files[f"DvsGesture/{name}_labels.csv"] = rows.encode()
    files["DvsGesture/trials_to_train.txt"] = b"user01_led.aedat\n"
    files["DvsGesture/trials_to_test.txt"] = b"user24_fluorescent_led.aedat\n\n"
    return whole, files


@pytest.mark.parametrize("layout", ["folder", "inner folder", "tar"])
def test_gestures_are_cut_from_recordings(home, layout, tmp_path):
    folder = home("dvs_gesture")
    whole, files = gesture_files()
    if layout == "tar":
        with tarfile.open(folder / "DvsGesture.tar.gz", "w:gz") as packed:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
    else:
        put(folder, files if layout == "inner folder" else {k.removeprefix("DvsGesture/"): v for k, v in files.items()})
    train, test = dvs_gesture.load("train"), dvs_gesture.load("test")
    assert train.labels.tolist() == test.labels.tolist() == [0, 10, 2]
    assert (train.people.tolist(), test.people.tolist()) == ([1] * 3, [24] * 3)
    assert (train.lights[0], test.lights[0]) == ("led", "fluorescent_led")
    made, label = train[0]
    assert (label, len(made), made.t[0], made.t[-1]) == (0, 100, 0, 99_000)
    np.testing.assert_array_equal(train[1][0].x, whole.x[50:150])  # rows overlap
    assert len(train[2][0]) == 0  # an end before its start
    assert train.classes[10] == "other gestures"
    same(train.take(np.array([1]))[0][0], train[1][0])
    assert len({made.content(index) for made in (train, test) for index in range(3)}) == 3  # the files are alike
    kept = cached(train, NumWindows(num=4))
    assert [kept[1][1], kept[1][1]] == [10, 10]
    np.testing.assert_array_equal(kept[0][0], NumWindows(num=4)(train[0][0]))
    np.testing.assert_array_equal(kept[0][0], NumWindows(num=4)(train[0][0]))
    assert not (folder / "DvsGesture").exists() or layout == "inner folder"
    if layout == "tar":  # once, into the cache, which may be deleted
        assert [p.name for p in (tmp_path / "cache" / "ranvier" / "dvs_gesture").iterdir()] == ["DvsGesture-unpacked"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("trials_to_train.txt", b"../../etc/passwd", "expected names such as user01_fluorescent.aedat"),
        ("user01_led_labels.csv", b"h\n12,0,1\n", r"line 2: expected class \(1 to 11\), start and end"),
        ("user01_led_labels.csv", b"h\n1,0\n", "line 2"),
        ("user01_led_labels.csv", b"h\n1,x,1\n", "line 2"),
    ],
)
def test_broken_lists_of_gestures_are_refused(home, name, data, words):
    folder = home("dvs_gesture")
    _, files = gesture_files()
    put(folder, {**{k.removeprefix("DvsGesture/"): v for k, v in files.items()}, name: data})
    with pytest.raises(FormatError, match=words):
        dvs_gesture.load("train")


def test_a_missing_recording_of_a_list_is_named(home):
    folder = home("dvs_gesture")
    put(folder, {k.removeprefix("DvsGesture/"): v for k, v in gesture_files()[1].items()})
    (folder / "user01_led.aedat").unlink()
    with pytest.raises(DataError, match=r"DVS128 Gesture: expected user01_led.aedat in .* get DvsGesture.tar.gz at"):
        dvs_gesture.load("train")


@pytest.mark.parametrize("layout", ["folder", "zips", "zips in a zip"])
def test_ncars_has_two_classes_and_two_parts(home, layout):
    folder, size = home("ncars"), (100, 120)
    files = {
        f"{part}/{kind}/obj_{number:06d}_td.dat": dat.to_bytes(events(number, size))
        for part in ("train", "test")
        for kind, number in (("cars", 4), ("background", 7), ("background", 3))
    }
    parts = {p: {k: v for k, v in files.items() if k.startswith(p)} for p in ("train", "test")}
    zips = {f"n-cars_{part}.zip": zipped(members) for part, members in parts.items()}
    if layout == "folder":
        put(folder, {f"Prophesee_Dataset_n_cars/n-cars_{name}": data for name, data in files.items()})
    else:
        put(folder, zips if layout == "zips" else {"Prophesee_Dataset_n_cars.zip": zipped({**zips, "readme": b""})})
    for split in ("train", "test"):
        made = usable(ncars, split=split)
        assert (made.labels.tolist(), made.ids.tolist()) == ([0, 0, 1], [3, 7, 4])
        same(made[2][0], events(4, size))


def test_the_real_sample_of_ncars_is_read(home, real):
    sample = real("event_formats", "ncars_obj_004397_td.dat") / "ncars_obj_004397_td.dat"
    folder = home("ncars")
    put(folder, {"n-cars_train/cars/obj_004397_td.dat": sample.read_bytes()})
    made, label = ncars.load("train")[0]
    assert (len(made), label, made.size) == (4407, 1, (100, 120))
    assert 90_000 < made.duration <= 100_000


@pytest.mark.parametrize("zipping", [False, True])
def test_dvslip_has_a_folder_a_word(home, tmp_path, zipping):
    folder = home("dvslip")
    rows = np.zeros(3, [("t", "<i4"), ("x", "<i2"), ("y", "<i2"), ("p", "|b1")])
    wanted = events(0, (128, 128))
    rows["t"], rows["x"], rows["y"], rows["p"] = wanted.t + 500, wanted.x, wanted.y, wanted.polarity
    data = as_bytes(tmp_path, np.save, rows, suffix=".npy")
    files = {
        f"DVS-Lip/{part}/{word}/{n}.npy": data
        for part in ("train", "test")
        for word, n in (("young", 10), ("accused", 9), ("accused", 10))
    }
    put(folder, {"DVS-Lip.zip": zipped(files)} if zipping else files)
    made = usable(dvslip, split="test")
    assert (made.labels.tolist(), made.ids.tolist()) == ([0, 0, 99], [9, 10, 10])
    same(made[0][0], wanted)
    put(
        folder, {"more/train/colour/1.npy": data} if not zipping else {"more.zip": zipped({"train/colour/1.npy": data})}
    )
    with pytest.raises(FormatError, match="expected folders named by the 100 words, got 'colour'"):
        dvslip.load("train")


def element(kind, data, order="<"):
    if len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat(columns, *, packed, order="<"):
    """A MATLAB 5 file of column vectors, from the published layout."""
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    for name, column in columns.items():
        flags = element(6, struct.pack(order + "II", 6, 0), order)  # doubles, stored as 32-bit integers
        shape = element(5, struct.pack(order + "ii", len(column), 1), order)
        body = (
            flags
            + shape
            + element(1, name.encode(), order)
            + element(5, np.asarray(column, order + "i4").tobytes(), order)
        )
        inner = struct.pack(order + "II", 14, len(body)) + body
        if packed:
            data = zlib.compress(inner)
            out += struct.pack(order + "II", 15, len(data)) + data
        else:
            out += inner
    return out


@pytest.mark.parametrize("layout", ["plain", "packed", "big endian", "zip", "zip in a zip"])
def test_asl_dvs_counts_rows_from_above(home, layout):
    folder = home("asl_dvs")
    wanted = events(0, (180, 240))
    columns = {"ts": wanted.t + 77, "x": wanted.x, "y": 179 - wanted.y, "pol": wanted.polarity}
    data = mat(columns, packed=layout != "plain", order=">" if layout == "big endian" else "<")
    files = {"b/b_0010.mat": data, "b/b_0009.mat": data, "y/y_0001.mat": data, "j/j_0001.mat": b"no letter of the set"}
    if layout.startswith("zip"):
        inner = {"Yin 1.zip": zipped(files)}
        put(
            folder,
            inner
            if layout == "zip"
            else {"ICCV2019_DVS_dataset.zip": zipped({f"set/{k}": v for k, v in inner.items()})},
        )
    else:
        put(folder, files)
    made = usable(asl_dvs)
    assert (made.labels.tolist(), made.ids.tolist()) == ([1, 1, 23], [9, 10, 1])
    same(made[0][0], wanted)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"y": [180, 0, 0]}, "event 0: expected a pixel"),
        ({"x": [1, 2]}, "array 'x': expected 3 whole numbers"),
        ({"ts": [5, 4, 6]}, "event 1: expected a time"),
        ({"pol": None}, "no pol"),
    ],
)
def test_broken_columns_of_asl_dvs_are_refused(home, columns, words):
    made = {"ts": [1, 2, 3], "x": [1, 2, 3], "y": [1, 2, 3], "pol": [0, 1, 1], **columns}
    put(home("asl_dvs"), {"a/1.mat": mat({k: v for k, v in made.items() if v is not None}, packed=False)})
    with pytest.raises(FormatError, match=words):
        asl_dvs.load()[0]


@pytest.mark.parametrize("layout", ["folder", "zips", "zips in a zip"])
def test_hardvs_follows_its_lists(home, tmp_path, layout):
    folder, size = home("hardvs"), (260, 346)
    data = as_bytes(tmp_path, npz_events.write, events(99, size), suffix=".npz")
    for name, lines in (("train", "action_300/b 299\naction_001/a 0\n"), ("val", "action_001/c 0\n\n"), ("test", "")):
        (folder / f"{name}_label.txt").write_text(lines)
    names = ["action_001/a", "action_001/c", "action_300/b"]
    zips = {
        f"{action}.zip": zipped({f"{n.rpartition('/')[2]}.npz": data for n in names if n.startswith(action)})
        for action in ("action_001", "action_300")
    }
    if layout == "folder":
        put(folder, {f"{name}.npz": data for name in names})
    else:
        put(
            folder,
            zips if layout == "zips" else {"MINI_HARDVS_files.zip": zipped({f"MINI/{k}": v for k, v in zips.items()})},
        )
    made = usable(hardvs, split="train")
    assert made.labels.tolist() == [299, 0]
    same(made[0][0], events(0, size))
    assert len(hardvs.load("validation")) == 1
    assert len(hardvs.load("test")) == 0
    (folder / "test_label.txt").write_text("action_001/d 0")
    with pytest.raises(DataError, match=r"action_001/d.npz \(line 1 of test_label.txt\)"):
        hardvs.load("test")
    (folder / "test_label.txt").write_text("action_301/d 0")
    with pytest.raises(FormatError, match="line 1: expected action_001/NAME and a label"):
        hardvs.load("test")


def daily(folder, actions=(0, 199), people=(0, 3, 4, 45)):
    names = [f"C{a}P{p}M0S1_20231116_10_26_34" for a in actions for p in people]
    size = (240, 320)
    put(folder, {f"all/{name}.aedat4": aedat4.to_bytes(events(1_700_000_000_000_000, size, 20)) for name in names})
    return names


def test_dailydvs_is_split_by_person_without_its_lists_and_says_so(home):
    daily(home("dailydvs200"))
    parts = {}
    for split in ("train", "validation", "test"):
        with pytest.warns(UserWarning, match="split by person"):
            parts[split] = dailydvs200.load(split)
    assert {split: made.ids.tolist() for split, made in parts.items()} == {
        "train": [0, 0], "validation": [3, 3], "test": [4, 45, 4, 45],
    }  # fmt: skip
    assert parts["test"].labels.tolist() == [0, 0, 199, 199]
    same(parts["train"][0][0], events(0, (240, 320), 20))
    with pytest.warns(UserWarning, match="split by person"):
        few = dailydvs200.load("train", max_events=8)
    assert few[0][0].t.tolist() == [0, 2000, 5000, 7000, 10000, 12000, 15000, 17000]


def test_no_person_of_dailydvs_is_in_two_parts():
    assert not dailydvs200.PEOPLE["test"] & dailydvs200.PEOPLE["validation"]


def test_dailydvs_prefers_its_lists_and_knows_its_attributes(home):
    folder = home("dailydvs200")
    names = daily(folder)
    (folder / "train.txt").write_text(f"all/{names[2]}.aedat4 0\nall/{names[4]}.aedat4 199\n")
    rows = [
        {"FileName": name, "Shadow": "Yes" if index % 4 == 2 else "No", "ID": "4"} for index, name in enumerate(names)
    ]
    (folder / "all_data.json").write_text(json.dumps(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = usable(dailydvs200, split="train")
    assert (made.labels.tolist(), made.ids.tolist()) == ([0, 199], [4, 0])
    assert made.having("Shadow", "Yes").labels.tolist() == [0]
    assert made.having("Shadow", "No").labels.tolist() == [199]
    assert len(made.having("Shadow", "Perhaps")) == 0
    with pytest.raises(UnknownNameError, match="got 'shadow'. Did you mean 'Shadow'"):
        made.having("shadow", "Yes")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        (
            "train.txt",
            "all/C0P0M0S1_20231116_10_26_34.aedat4 1",
            "line 1: expected the path of a recording and its action",
        ),
        ("train.txt", "nonsense", "line 1: expected the path of a recording"),
        ("all_data.json", "{", "expected JSON"),
        ("all_data.json", "{}", "expected a list of records, got dict"),
        ("all_data.json", "[1]", "record 0: expected a record with FileName"),
    ],
)
def test_broken_lists_of_dailydvs_are_refused(home, file, text, words):
    folder = home("dailydvs200")
    names = daily(folder)
    (folder / "train.txt").write_text(f"all/{names[0]}.aedat4 0")
    (folder / file).write_text(text)
    with pytest.raises(FormatError, match=words):
        dailydvs200.load("train")


def test_a_broken_recording_is_refused_when_it_is_read_or_repaired_on_demand(home):
    folder, data = home("ncars"), dat.to_bytes(events(5, (100, 120)))
    put(folder, {"n-cars_test/cars/obj_000001_td.dat": data + b"xyz"})
    with pytest.raises(EventFormatError, match="obj_000001_td.dat"):
        ncars.load("test")[0]
    same(ncars.load("test", mode="repair")[0][0], events(5, (100, 120)))
    put(folder, {"n-cars_test/cars/obj_000001_td.dat": dat.to_bytes(events(5, (200, 200), 60))})
    with pytest.raises(EventFormatError, match="sensor of 100 x 120"):
        ncars.load("test")[0]


def test_a_recording_written_by_numpy_alone_is_the_same(tmp_path):
    """The writers used for miniatures are ours; this one is not."""
    wanted = events(3, (128, 128))
    path = tmp_path / "a.npy"
    rows = np.zeros(3, npy.EVENT)
    rows["t"], rows["x"], rows["y"], rows["p"] = wanted.t, wanted.x, wanted.y, wanted.polarity
    np.save(path, rows)
    from ranvier.data import open_events

    same(open_events(path, size=(128, 128)).read(), wanted)
