"""GEN1: 39 hours of driving with an ATIS (304 x 240) in recordings of 60 s, with boxes of cars and pedestrians.

Source: de Tournemire, Nitti, Perot, Migliore and Sironi 2020, arXiv:2001.08499.
"""

import re

from ranvier.data.formats.faults import Mode
from ranvier.data.sets.detection import Detections
from ranvier.data.sets.recordings import gather
from ranvier.data.sets.source import Source, ThreeSplits, absent, check_split, ensure

CLASSES = ("car", "pedestrian")
SIZE = (240, 304)
DIAGONAL, SIDE, AFTER = 30.0, 10.0, 500_000  # boxes that evaluations count: see ``Boxes.large``
_PAGE = "https://www.prophesee.ai/2020/01/24/prophesee-gen1-automotive-detection-dataset/"
SOURCE = Source(
    name="gen1",
    title="GEN1 automotive detection",
    kind="detection",
    licence="Prophesee's own terms",
    citation="de Tournemire, Nitti, Perot, Migliore and Sironi 2020, arXiv:2001.08499",
    split="the publisher's folders train, val, test",
    splits=("train", "validation", "test"),
    unpacked=("**/*_bbox.npy",),
    by_hand=f"Its publisher wants its terms accepted: see {_PAGE}, and unpack the archives.",
)
_FILE = re.compile(r"(?:.*/)?(train|val|test)(?:_[a-z])?/([^/]+)_(td\.dat|bbox\.npy)")


def load(split: ThreeSplits = "train", *, mode: Mode = "strict", download: bool = False) -> Detections:
    """Load a part: ``train/NAME_td.dat`` with ``train/NAME_bbox.npy`` and so on.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere or a recording lacks its boxes; FormatError for broken boxes, when they are read.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    part = {"train": "train", "validation": "val", "test": "test"}[split]
    found = gather(SOURCE, _FILE, such_as=f"{part}/NAME_td.dat", keep=lambda match: match[1] == part)
    files = {(match[2], match[3]): clip.path for match, clip in found if clip.entry is None}
    names = sorted(name for name, kind in files if kind == "td.dat")
    for name in names:
        if (name, "bbox.npy") not in files:
            raise absent(SOURCE, f"{part}/{name}_bbox.npy")
    return Detections(
        recordings=[files[name, "td.dat"] for name in names],
        boxes=[files[name, "bbox.npy"] for name in names],
        names=tuple(names),
        classes=CLASSES,
        size=SIZE,
        mode=mode,
    )
