"""DailyDVS-200: 200 daily actions of 47 people before a DVXplorer Lite (320 x 240), 22,046 recordings with attributes.

Source: Wang et al. 2024, ECCV, arXiv:2407.05106.
"""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.formats.faults import Mode
from ranvier.data.sets.recordings import Clip, Reading, Recordings, gather
from ranvier.data.sets.source import Source, ThreeSplits, absent, check_split, ensure
from ranvier.data.sets.texts import read_text

NUM_ACTIONS = 200
CLASSES = tuple(f"action {number}" for number in range(NUM_ACTIONS))
SIZE = (240, 320)
# The publisher's lists of people overlap: 45 is in train and test, 4 in validation and test. Both count as test here.
PEOPLE = {
    "test": frozenset((4, 7, 10, 11, 16, 33, 37, 42, 45)),
    "validation": frozenset((3, 5, 24, 27, 31, 41, 43)),
}
_PAGE = "https://github.com/QiWang233/DailyDVS-200"
SOURCE = Source(
    name="dailydvs200",
    title="DailyDVS-200",
    kind="events",
    licence="MIT",
    citation="Wang et al. 2024, ECCV, arXiv:2407.05106",
    split="the publisher's lists train.txt, val.txt, test.txt; without them by person",
    splits=("train", "validation", "test"),
    unpacked=("**/C*P*M*S*_*.aedat4",),
    by_hand=f"It lies on drives without plain addresses: see {_PAGE}.",
)
_NAME = r"C([0-9]+)P([0-9]+)M([0-9]+)S([0-9]+)_[0-9]{8}_[0-9]{2}_[0-9]{2}_[0-9]{2}"
_FILE = re.compile(rf"(?:.*/)?(({_NAME})\.aedat4)")


def load(
    split: ThreeSplits = "train", *, mode: Mode = "strict", max_events: int | None = None, download: bool = False
) -> Recordings:
    """Load a part: files such as ``C0P3M0S1_20231116_10_26_34.aedat4``, in folders or zips.

    Split by ``train.txt``, ``val.txt``, ``test.txt`` (a path and the number of the action on each line) if they are
    there; otherwise by person, with a warning, because the published lists of people overlap. ``ids`` are the people;
    ``facts`` the attributes of ``all_data.json`` if it is there (see ``Recordings.having``). Times count from the first
    event.

    Args: mode: as ``open_events``. max_events: of longer recordings so many events are kept, evenly chosen.
    Raises: DataError if it is nowhere, or a listed recording is missing; FormatError for broken lists.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    clips: dict[str, tuple[re.Match[str], Clip]] = {
        match[1]: (match, clip) for match, clip in gather(SOURCE, _FILE, such_as="C0P3M0S1_20231116_10_26_34.aedat4")
    }
    listed = places.find(SOURCE.home, {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}[split])
    names = _by_person(split, clips) if listed is None else _by_list(listed, clips)
    labels = np.array([int(clips[name][0][3]) for name in names], np.int64)
    if labels.size and labels.max() >= NUM_ACTIONS:
        raise FormatError(SOURCE.title, expected=f"actions below {NUM_ACTIONS}", got=str(labels.max()))
    facts = _facts()
    return Recordings(
        clips=[clips[name][1] for name in names],
        read=Reading(size=SIZE, mode=mode, from_zero=True, most=max_events),
        labels=labels,
        ids=np.array([int(clips[name][0][4]) for name in names], np.int64),
        classes=CLASSES,
        size=SIZE,
        facts=tuple(facts.get(name, {}) for name in names) if facts else (),
    )


def _by_person(split: str, clips: dict[str, tuple[re.Match[str], Clip]]) -> list[str]:
    warnings.warn(
        "DailyDVS-200: split by person, for want of train.txt, val.txt and test.txt; people 4 and 45, who are in two "
        "of the published lists, count as test.",
        stacklevel=3,
    )
    held = PEOPLE["test"] | PEOPLE["validation"]
    chosen = []
    for name in sorted(clips, key=lambda name: (int(clips[name][0][3]), int(clips[name][0][4]), name)):
        person = int(clips[name][0][4])
        if person in PEOPLE[split] if split != "train" else person not in held:
            chosen.append(name)
    return chosen


def _by_list(path: Path, clips: dict[str, tuple[re.Match[str], Clip]]) -> list[str]:
    names = []
    for number, line in enumerate(read_text(path).content.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        words = line.replace(",", " ").split()
        match = _FILE.fullmatch(words[0].replace("\\", "/"))
        if match is None or len(words) != 2 or not words[1].isdecimal() or int(words[1]) != int(match[3]):
            raise FormatError(where, expected="the path of a recording and its action", got=repr(line[:80]))
        if match[1] not in clips:
            raise absent(SOURCE, f"{match[1]} ({where})")
        names.append(match[1])
    return names


def _facts() -> dict[str, dict[str, str]]:
    """Read ``all_data.json``: name of the file -> attributes; empty if it is not there."""
    path = places.find(SOURCE.home, "all_data.json")
    if path is None:
        return {}
    try:
        rows: Any = json.loads(read_text(path).content)
    except (ValueError, RecursionError) as error:
        raise FormatError(str(path), expected="JSON", got=str(error)[:80]) from error
    if not isinstance(rows, list):
        raise FormatError(str(path), expected="a list of records", got=type(rows).__name__)
    found = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("FileName"), str):
            raise FormatError(f"{path}: record {number}", expected="a record with FileName", got=str(row)[:60])
        name = row["FileName"] if row["FileName"].endswith(".aedat4") else f"{row['FileName']}.aedat4"
        found[name] = {str(key): str(value) for key, value in row.items()}
    return found
