"""MIT-BIH Arrhythmia: single heart beats of lead MLII in five AAMI classes, patients of train and test apart.

Source: Moody and Mark 2001, IEEE Eng. Med. Biol. 20(3):45; classes and split of de Chazal et al. 2004.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, FormatError, UnknownNameError
from ranvier.data.formats import npz, wfdb
from ranvier.data.sets import arrays
from ranvier.data.sets.pack import check_labels
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

BEATS, CONTINUOUS = "mitbih_beats.npz", "mitbih_continuous_5min.npz"
CLASSES = ("N", "S", "V", "F", "Q")  # normal, supraventricular, ventricular, fusion, unknown
RATE = 360.0
_ZERO, _MILLIVOLT = 1024.0, 1 / 200
_AAMI = {  # WFDB's number of a kind of beat -> number of its class
    **dict.fromkeys((1, 2, 3, 11, 34), 0),  # N, L, R, j, e
    **dict.fromkeys((4, 7, 8, 9), 1),  # a, J, A, S
    **dict.fromkeys((5, 10), 2),  # V, E
    6: 3,  # F
    **dict.fromkeys((12, 13, 38), 4),  # paced, Q, f
}
SOURCE = Source(
    name="ecg_mitbih",
    title="MIT-BIH Arrhythmia",
    kind="signals",
    licence="ODC-By 1.0 (PhysioNet mitdb 1.0.0)",
    citation="Moody and Mark 2001, IEEE Eng. Med. Biol. 20(3):45",
    split="inter-patient: records DS1 train, DS2 test (de Chazal 2004), paced records left out",
    packs=(
        Pack(BEATS, 2_096_305, "ec005c513453e1014f3b701ecedbd7fae58504999284f7776d0eedb2b1066675"),
        Pack(CONTINUOUS, 783_005, "dcd6e8540e7cbed49c9ccb670c7811279044c16a0ebe475c324ff1017c90ff44"),
    ),
    by_hand=pack_of("lxysl/mit-bih_ecg_recognition", "6a1964c077"),
)


class Stretch(NamedTuple):
    """A record, or the first minutes of one."""

    signal_TC: NDArray[np.float32]  # mV, both leads, 360 Hz
    beats: NDArray[np.int64]  # the sample of each R peak
    labels: NDArray[np.int64]  # of each beat, a number of ``CLASSES``


def load(split: Split = "train") -> SignalSet:
    """Load beats: 180 samples around the R peak at 360 Hz, mV; ``groups`` are the records (patients).

    Classes were evened out (at most 3,000 beats of a class in train), so their frequencies are not natural ones, and
    the beats stand class by class: shuffle.
    Pack: ``train_beats`` (N, 180) int16 of 1024 + 200 per mV, ``train_labels``, ``train_record``, ``train_rr_prev`` and
    ``train_rr_next`` (N,), the same for test.
    Raises: DataError if it is nowhere; FormatError for a broken pack, or one with a record in both splits.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, BEATS)
    wanted = {f"{split}_{name}": (arrays.INTEGERS, axes) for name, axes in (("beats", 2), ("labels", 1), ("record", 1))}
    pack = arrays.read(path, wanted | {f"{s}_record": (arrays.INTEGERS, 1) for s in SOURCE.splits})
    arrays.check_apart(path, pack["train_record"], pack["test_record"], what="records")
    values, labels, records = (pack[name] for name in wanted)
    meaning = Meaning(classes=CLASSES, rate=RATE, scale=_MILLIVOLT, zero=_ZERO, unit="mV")
    return signal_set(path, values, labels, meaning, groups=records)


def intervals(split: Split = "train") -> NDArray[np.float64]:
    """Load the times to the beats before and after each beat of ``load(split)``: (N, 2) in ms."""
    check_split(SOURCE, split)
    path = find(SOURCE, BEATS)
    names = (f"{split}_rr_prev", f"{split}_rr_next")
    pack = arrays.read(path, dict.fromkeys(names, (arrays.INTEGERS, 1)))
    arrays.check_lengths(path, pack, *names)
    return np.stack([pack[name] for name in names], 1) * (1000 / RATE)


def record(name: str) -> Stretch:
    """Load a whole record in its original format: ``100.hea``, ``100.dat`` and ``100.atr`` in the folder or in ``raw``.

    The files of PhysioNet's mitdb 1.0.0 (physionet.org/content/mitdb) are read as they are; marks that are no beats are
    left out.
    Raises: ConfigError for a name that is none; DataError if it is nowhere; FormatError for broken files.
    """
    if not re.fullmatch(r"[0-9]{3}", name):
        raise ConfigError("ecg_mitbih.record", expected="a record such as '100'", got=repr(name))
    header = find(SOURCE, f"{name}.hea", f"raw/{name}.hea")
    made, marks = wfdb.read(header), wfdb.read_annotations(find(SOURCE, f"{name}.atr", f"raw/{name}.atr"))
    beats = np.isin(marks.types, list(_AAMI)) & (marks.samples < len(made.samples_TC))
    labels = np.array([_AAMI[kind] for kind in marks.types[beats].tolist()], np.int64)
    return Stretch(made.physical(), marks.samples[beats], labels)


def records() -> tuple[str, ...]:
    """List the records of which a stretch is there."""
    return tuple(name.removeprefix("sig_") for name in npz.names(find(SOURCE, CONTINUOUS)) if name.startswith("sig_"))


def stretch(record: str) -> Stretch:
    """Load the first five minutes of a record.

    Raises: UnknownNameError for a record that is not there; DataError, FormatError.
    """
    if record not in records():
        raise UnknownNameError.among("ecg_mitbih", record, records(), kind="record")
    path = find(SOURCE, CONTINUOUS)
    signal, beats, labels = f"sig_{record}", f"r_sample_{record}", f"label_{record}"
    wanted = {signal: (arrays.INTEGERS, 2), beats: (arrays.INTEGERS, 1), labels: (arrays.INTEGERS, 1)}
    pack = arrays.read(path, wanted)
    arrays.check_lengths(path, pack, beats, labels)
    peaks = pack[beats].astype(np.int64)
    if peaks.size and not 0 <= peaks.min() <= peaks.max() < len(pack[signal]):
        raise FormatError(f"{path}: {beats}", expected=f"samples below {len(pack[signal])}", got=str(peaks.max()))
    number = check_labels(str(path), pack[labels], len(peaks), len(CLASSES))
    return Stretch(((pack[signal] - _ZERO) * _MILLIVOLT).astype(np.float32), peaks, number)
