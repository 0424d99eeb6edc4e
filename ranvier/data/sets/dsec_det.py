"""DSEC-Detection: driving with a camera of 640 x 480, with boxes of eight kinds of road users in the left view.

Source: Gehrig and Scaramuzza 2024, Nature, "Low Latency Automotive Vision with Event Cameras"; Gehrig, Aarents, Gehrig
and Scaramuzza 2021, IEEE RA-L, "DSEC"; the split is that of github.com/uzh-rpg/dsec-det.
"""

import re

from ranvier.data.formats.faults import Mode
from ranvier.data.sets.detection import Detections
from ranvier.data.sets.recordings import gather
from ranvier.data.sets.source import Source, ThreeSplits, absent, check_split, ensure

CLASSES = ("pedestrian", "rider", "car", "bus", "truck", "bicycle", "motorcycle", "train")
SIZE = (480, 640)
_VALIDATION = tuple(f"zurich_city_{number}_a" for number in range(16, 22))
_TEST = (
    "interlaken_00_a interlaken_00_b interlaken_01_a thun_01_a thun_01_b thun_02_a "
    "zurich_city_12_a zurich_city_13_a zurich_city_13_b zurich_city_14_a zurich_city_14_b zurich_city_14_c "
    "zurich_city_15_a"
)
_TRAIN = "thun_00_a " + " ".join(
    f"{town}_{number:02d}_{letter}"
    for town, number, letters in (
        ("interlaken", 0, "cdefg"),
        *(("zurich_city", number, letters) for number, letters in enumerate(
            ("ab", "abcdef", "abcde", "a", "abcdef", "ab", "a", "a", "a", "abcde", "ab", "abc")
        )),
    )
    for letter in letters
)  # fmt: skip
SEQUENCES = {"train": tuple(_TRAIN.split()), "validation": _VALIDATION, "test": tuple(_TEST.split())}
_PAGE = "https://dsec.ifi.uzh.ch/dsec-detection/"
SOURCE = Source(
    name="dsec_det",
    title="DSEC-Detection",
    kind="detection",
    licence="see the publisher's page",
    citation="Gehrig and Scaramuzza 2024, Nature, Low Latency Automotive Vision with Event Cameras",
    split="41 sequences train, 6 validation, 13 test",
    splits=("train", "validation", "test"),
    unpacked=("**/object_detections/left/tracks.npy",),
    by_hand=f"It is many archives without published checksums: see {_PAGE}, and unpack events and detections together.",
)
_FILE = re.compile(
    r"(?:.*/)?([a-z]+(?:_city)?_[0-9]{2}_[a-z])/(events|object_detections)/left/(events\.h5|tracks\.npy)"
)


def load(split: ThreeSplits = "train", *, mode: Mode = "strict", download: bool = False) -> Detections:
    """Load a part: ``SEQUENCE/events/left/events.h5`` with ``SEQUENCE/object_detections/left/tracks.npy``.

    Sequences that are not there are left out, so that a few of them can be used. Events are packed with Blosc: reading
    them needs the package ``hdf5plugin``. Times of events and boxes are those of the sequence's clock.

    Args: mode: as ``open_events``.
    Raises: DataError if none is there, or one lacks its boxes; FormatError, when boxes are read, for broken ones.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    wanted = SEQUENCES[split]
    example = f"{wanted[0]}/events/left/events.h5"
    found = gather(SOURCE, _FILE, such_as=example, keep=lambda match: match[1] in wanted)
    files = {(match[1], match[3]): clip.path for match, clip in found if clip.entry is None}
    names = sorted(name for name, kind in files if kind == "events.h5")
    if not names:
        raise absent(SOURCE, example)
    for name in names:
        if (name, "tracks.npy") not in files:
            raise absent(SOURCE, f"{name}/object_detections/left/tracks.npy")
    return Detections(
        recordings=[files[name, "events.h5"] for name in names],
        boxes=[files[name, "tracks.npy"] for name in names],
        names=tuple(names),
        classes=CLASSES,
        size=SIZE,
        mode=mode,
    )
