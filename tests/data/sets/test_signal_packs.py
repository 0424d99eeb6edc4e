"""The sets of labelled signals that are read from packs."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, DataError, FormatError, UnknownNameError
from ranvier.data import Loader, same
from ranvier.data.sets import arrays, braille_tactile, ecg_mitbih, eeg_bonn, har_wisdm, mnist1d
from ranvier.data.sets.signals import Meaning, signal_set


def har(**changes):
    pack = {
        "train_x": np.arange(2 * 4 * 3, dtype=np.int16).reshape(2, 4, 3),
        "train_y": np.array([1, 0], np.uint8),
        "train_subject": np.array([1600, 1601], np.uint16),
        "test_x": np.zeros((1, 4, 3), np.int16),
        "test_y": np.zeros(1, np.uint8),
        "test_subject": np.array([1602], np.uint16),
        "activity_names": np.array(["walking", "jogging"]),
        "scale": np.float64(0.001),
        "fs": np.int64(20),
    }
    return {**pack, **changes}


def ecg(**changes):
    beats = np.full((3, 180), 1024, np.int16)
    beats[1] += 200
    pack = {}
    for split, records in (("train", [101, 106, 106]), ("test", [100, 103, 103])):
        pack |= {
            f"{split}_beats": beats, f"{split}_labels": np.array([0, 2, 4], np.uint8),
            f"{split}_record": np.array(records, np.uint16), f"{split}_rr_prev": np.array([360, 180, 36], np.uint16),
            f"{split}_rr_next": np.array([180, 36, 360], np.uint16),
        }  # fmt: skip
    return {**pack, **changes}


def eeg():
    pack = {"set_names": np.array(list("ZONFS")), "fs": np.float64(173.61)}
    for split in ("train", "test"):
        pack |= {
            f"{split}_x": np.array([[1, -2, 3]], np.int16), f"{split}_y": np.array([3], np.uint8),
            f"{split}_name": np.array(["F017.txt"]),
        }  # fmt: skip
    return pack


def braille():
    pack = {"letters": np.array(["A", "space"])}
    for split in ("train", "test"):
        pack |= {
            f"{split}_x": np.full((2, 7, 12), 55, np.uint8), f"{split}_y": np.array([1, 0], np.uint8),
            f"{split}_len": np.array([7, 6], np.int16),
        }  # fmt: skip
    return pack


def digits():
    return {
        "x": np.eye(3, 40, dtype=np.float32), "y": np.array([1, 2, 9], np.uint8),
        "x_test": np.eye(2, 40, dtype=np.float32), "y_test": np.array([0, 5], np.uint8), "t": np.zeros(40, np.float32),
    }  # fmt: skip


PACKS = {
    har_wisdm: (har_wisdm.PACK, har),
    ecg_mitbih: (ecg_mitbih.BEATS, ecg),
    eeg_bonn: (eeg_bonn.PACK, eeg),
    braille_tactile: (braille_tactile.PACK, braille),
    mnist1d: (mnist1d.PACK, digits),
}
EACH = pytest.mark.parametrize("module", PACKS, ids=lambda m: m.SOURCE.name)


def put(home, module, **changes):
    name, make = PACKS[module]
    folder = home(module.SOURCE.name)
    np.savez_compressed(folder / name, **{**make(), **changes})
    return folder / name


@EACH
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sample_is_time_by_channels_with_a_label(home, module, split):
    put(home, module)
    made = module.load(split)
    value_TC, label = made[0]
    assert value_TC.shape == made.values.shape[1:]
    assert value_TC.dtype == torch.float32
    assert 0 <= label < len(made.classes)
    assert len(made) == len(made.groups) == len(made.lengths)
    assert module.SOURCE.place() is not None


@EACH
def test_batches_have_time_first(home, module):
    put(home, module)
    made = module.load("train")
    x_TBC, y_B = next(Loader(samples=made, encode=same, batch_size=len(made), shuffle=False).batches(0))
    assert x_TBC.shape == (made.values.shape[1], len(made), made.values.shape[2])
    assert y_B.tolist() == made.labels.tolist()
    np.testing.assert_array_equal(x_TBC[:, 0], made[0][0])


@EACH
def test_what_is_nowhere_says_where_to_get_it(home, module):
    with pytest.raises(DataError, match=r"got none of them. Put them there.*made from github.com/") as caught:
        module.load("train")
    assert PACKS[module][0] in str(caught.value)
    assert module.SOURCE.place() is None


@EACH
def test_a_label_without_a_class_is_refused(home, module):
    make = PACKS[module][1]
    labels = next(key for key in make() if key in ("y", "train_y", "train_labels"))
    put(home, module, **{labels: make()[labels] + np.uint8(200)})
    with pytest.raises(FormatError, match="expected labels from 0 to"):
        module.load("train")


@EACH
def test_a_missing_array_is_named(home, module):
    name, make = PACKS[module]
    pack = make()
    first = next(key for key in pack if key in ("x", "train_x", "train_beats"))
    del pack[first]
    np.savez(home(module.SOURCE.name) / name, **pack)
    with pytest.raises(FormatError, match=f"got none named {first}"):
        module.load("train")


def test_acceleration_is_in_metres_per_second_squared(home):
    put(home, har_wisdm)
    made = har_wisdm.load("train")
    np.testing.assert_allclose(made[1][0][0], [0.012, 0.013, 0.014], rtol=1e-6)
    assert (made.rate, made.unit, made.groups.tolist()) == (20.0, "m/s^2", [1600, 1601])
    assert made.take(np.array([1])).labels.tolist() == [0]


@pytest.mark.parametrize(
    ("module", "key", "what"), [(har_wisdm, "test_subject", "people"), (ecg_mitbih, "test_record", "records")]
)
def test_nobody_is_in_both_splits(home, module, key, what):
    pack = PACKS[module][1]()
    put(home, module, **{key: pack[key.replace("test", "train")][: len(pack[key])]})
    with pytest.raises(FormatError, match=f"expected other {what} in test than in train"):
        module.load("train")


def test_beats_are_in_millivolts_and_intervals_in_milliseconds(home):
    put(home, ecg_mitbih)
    made = ecg_mitbih.load("train")
    assert made[0][0].unique().tolist() == [0.0]
    assert made[1][0].unique().tolist() == [1.0]
    np.testing.assert_allclose(ecg_mitbih.intervals("train"), [[1000, 500], [500, 100], [100, 1000]])


def test_a_stretch_is_cut_from_its_record(home):
    folder = put(home, ecg_mitbih).parent
    signal = np.full((50, 2), 1224, np.int16)
    arrays = {"fs": np.int64(360), "sig_106": signal, "r_sample_106": np.array([7, 40]), "label_106": np.array([0, 2])}
    np.savez(folder / ecg_mitbih.CONTINUOUS, **arrays)
    assert ecg_mitbih.records() == ("106",)
    signal_TC, beats, labels = ecg_mitbih.stretch("106")
    assert (signal_TC == 1).all()
    assert (beats.tolist(), labels.tolist()) == ([7, 40], [0, 2])
    with pytest.raises(UnknownNameError, match="got '107'. Did you mean '106'"):
        ecg_mitbih.stretch("107")
    np.savez(folder / ecg_mitbih.CONTINUOUS, **{**arrays, "r_sample_106": np.array([7, 50])})
    with pytest.raises(FormatError, match="expected samples below 50, got 50"):
        ecg_mitbih.stretch("106")


def test_segments_know_their_numbers(home):
    put(home, eeg_bonn)
    made = eeg_bonn.load("test")
    assert made.groups.tolist() == [17]
    assert made.classes[made.labels[0]] == "F"
    assert made.rate == 173.61


def test_lengths_must_fit(home):
    put(home, braille_tactile, train_len=np.array([7, 8], np.int16))
    with pytest.raises(FormatError, match="lengths: expected 0 to 7 steps, got 7 to 8"):
        braille_tactile.load("train")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(3), r"expected signals \(N, T\) or \(N, T, C\)"),
        (np.zeros((3, 4), bool), "expected signals"),
        (np.full((3, 4), np.nan), "expected finite signals"),
    ],
)
def test_other_arrays_are_no_signals(values, words):
    with pytest.raises(FormatError, match=words):
        signal_set("here", values, np.zeros(3, int), Meaning(classes=("a",)))


def test_groups_must_fit():
    with pytest.raises(FormatError, match="here: groups: expected 3 whole numbers"):
        signal_set("here", np.zeros((3, 4)), np.zeros(3, int), Meaning(classes=("a",)), groups=np.zeros(2, int))


COUNTS = {
    har_wisdm: ((4728, 100, 3), (1288, 100, 3)),
    ecg_mitbih: ((7365, 180, 1), (7878, 180, 1)),
    eeg_bonn: ((360, 4097, 1), (90, 4097, 1)),
    braille_tactile: ((1080, 77, 12), (135, 77, 12)),
    mnist1d: ((4000, 40, 1), (1000, 40, 1)),
}


@EACH
def test_the_real_packs_are_read(real, module):
    real(module.SOURCE.name, PACKS[module][0])
    for split, shape in zip(("train", "test"), COUNTS[module], strict=True):
        made = module.load(split)
        assert made.values.shape == shape
        assert set(made.labels.tolist()) == set(range(len(made.classes)))
        assert torch.isfinite(made[0][0]).all()


def test_the_real_people_are_33_and_9(real):
    real("har_wisdm", har_wisdm.PACK)
    people = [set(har_wisdm.load(split).groups.tolist()) for split in ("train", "test")]
    assert [len(each) for each in people] == [33, 9]
    assert not people[0] & people[1]
    # gravity: a watch at rest feels about 9.8 m/s^2
    sitting = har_wisdm.load("train")
    chosen = sitting.values[sitting.labels == sitting.classes.index("sitting")] * sitting.scale
    assert 9 < np.median(np.linalg.norm(chosen, axis=2)) < 11


def test_the_real_stretches_beat_at_the_pace_of_a_heart(real):
    real("ecg_mitbih", ecg_mitbih.CONTINUOUS)
    assert ecg_mitbih.records() == ("106", "119", "200", "208", "223")
    made = ecg_mitbih.stretch("106")
    assert made.signal_TC.shape == (108000, 2)
    assert 500 < np.median(np.diff(made.beats)) / 0.36 < 1500  # ms
    lead = made.signal_TC[:, 0] - np.median(made.signal_TC[:, 0])
    peaks = np.array([lead[max(b - 10, 0) : b + 10].max() for b in made.beats])
    assert np.median(peaks) > 5 * np.median(np.abs(lead))


def test_the_real_record_in_its_original_format_has_the_beats_of_the_pack(real):
    """The pack was cut by others; both must agree on every beat."""
    real("ecg_mitbih", ecg_mitbih.BEATS, "raw/100.hea")
    whole = ecg_mitbih.record("100")
    assert whole.signal_TC.shape == (650_000, 2)
    assert len(whole.beats) == 2273  # as mitdb's own tables count record 100
    path = ecg_mitbih.find(ecg_mitbih.SOURCE, ecg_mitbih.BEATS)
    pack = arrays.read(path, {"test_record": ("iu", 1), "test_r_sample": ("iu", 1)})
    test = ecg_mitbih.load("test")
    chosen = np.flatnonzero(pack["test_record"] == 100)
    assert len(chosen) > 50
    label = dict(zip(whole.beats.tolist(), whole.labels.tolist(), strict=True))
    for index in chosen:
        middle = int(pack["test_r_sample"][index])
        assert label[middle] == test.labels[index]
        np.testing.assert_allclose(whole.signal_TC[middle - 90 : middle + 90, :1], test[int(index)][0], atol=1e-6)


def test_a_record_has_a_plain_name(home):
    home("ecg_mitbih")
    with pytest.raises(ConfigError, match="expected a record such as '100'"):
        ecg_mitbih.record("../100")
    with pytest.raises(DataError, match="expected 100.hea or raw/100.hea in"):
        ecg_mitbih.record("100")
