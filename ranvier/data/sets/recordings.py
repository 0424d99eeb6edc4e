"""Labelled event recordings in files or in zips of them, found by their names and read when they are asked for."""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import UnknownNameError
from ranvier.data import places
from ranvier.data.events import Events
from ranvier.data.formats import archive, tar
from ranvier.data.formats.faults import Mode
from ranvier.data.formats.interface import Format
from ranvier.data.open import open_events
from ranvier.data.sets.source import Source, absent

_MAX_DIRECTORY = 64 << 20  # bytes of the list of a zip: several 100,000 members
_MAX_DEPTH = 6


class Clip(NamedTuple):
    """Where a recording lies: a file, or a member of the zip at ``path``."""

    path: Path
    entry: zipfile.ZipInfo | None = None

    @property
    def name(self) -> str:
        """The place in words, for errors."""
        return str(self.path) if self.entry is None else f"{self.path}: member {self.entry.filename!r}"

    def read(self) -> bytes | bytearray:
        """Read all of its bytes."""
        return self.path.read_bytes() if self.entry is None else archive.read(self.path, self.entry)

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        """Give a file of its bytes; that of a member is made for the time being."""
        if self.entry is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="ranvier-") as folder:
            yield archive.extract(self.path, self.entry, Path(folder) / Path(self.entry.filename).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the files of a set are read as events: called with a clip."""

    size: tuple[int, int]  # (H, W)
    mode: Mode = "strict"
    format: Format | str | None = None  # None: recognised by content
    from_zero: bool = False  # times from the first event, for clocks that count from 1970
    turn: Callable[[Events], Events] | None = None  # applied to what the file holds
    most: int | None = None  # events of a recording; of more, so many are kept, evenly chosen by their number

    def __call__(self, clip: Clip) -> Events:
        """Read a recording.

        Raises: EventFormatError for a broken file in strict mode.
        """
        with clip.as_file() as path:
            events = open_events(path, mode=self.mode, size=self.size, format=self.format).read()
        if self.turn is not None:
            events = self.turn(events)
        if self.most is not None and len(events) > self.most:
            events = events[np.arange(self.most) * len(events) // self.most]
        return since_first(events) if self.from_zero else events


def since_first(events: Events) -> Events:
    """Let times count from the first event."""
    if not len(events) or not events.t[0]:
        return events
    return Events(events.t - events.t[0], events.x, events.y, events.polarity, events.size)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recordings:
    """Recordings that are read when they are asked for; sample i is (``Events``, label)."""

    clips: Sequence[Clip]
    read: Callable[[Clip], Events]
    labels: NDArray[np.int64]  # (N,)
    ids: NDArray[np.int64]  # (N,) number of the recording, as published
    classes: tuple[str, ...]
    size: tuple[int, int]  # (H, W)
    facts: tuple[dict[str, str], ...] = field(default=())  # of each recording, where the publisher gives any

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        return self.read(self.clips[index]), int(self.labels[index])

    def content(self, index: int) -> bytes | bytearray:
        """Give the bytes that tell a recording from others, undecoded."""
        return self.clips[index].read()

    def take(self, indices: NDArray[Any]) -> "Recordings":
        """Choose recordings."""
        chosen = np.arange(len(self))[indices]
        return Recordings(
            clips=[self.clips[i] for i in chosen],
            read=self.read,
            labels=self.labels[chosen],
            ids=self.ids[chosen],
            classes=self.classes,
            size=self.size,
            facts=tuple(self.facts[i] for i in chosen) if self.facts else (),
        )

    def having(self, fact: str, value: str) -> "Recordings":
        """Choose the recordings of which a fact has this value.

        Raises: UnknownNameError for a fact that no recording has.
        """
        known = {name for facts in self.facts for name in facts}
        if fact not in known:
            raise UnknownNameError.among("Recordings.having", fact, known, kind="fact")
        return self.take(np.flatnonzero([facts.get(fact) == value for facts in self.facts]))


def _any(match: re.Match[str]) -> bool:  # noqa: ARG001
    return True


def gather(
    source: Source, pattern: re.Pattern[str], *, such_as: str, keep: Callable[[re.Match[str]], bool] = _any
) -> list[tuple[re.Match[str], Clip]]:
    """Find the files of a set, in folders or else in zips, by their names.

    The first folder of ``places`` that holds any is taken. A file in a folder is named by its path below that of the
    set, a member of a zip by "path of the zip without .zip/name of the member"; the pattern must match all of it.

    Args: such_as: an example of a file, for the error. keep: says which matches are wanted.
    Returns: (match, clip), in the order of the names.
    Raises: DataError if there is none; FormatError for a broken zip.
    """
    for folder in places.folders():
        home = folder / source.home
        files = list(_walk(home))
        found = {n: (match, Clip(path)) for n, path in files if (match := pattern.fullmatch(n)) and keep(match)}
        if not found:
            for stem, path in ((name[:-4], path) for name, path in files if name.endswith(".zip")):
                for member, entry in archive.directory(path, max_directory=_MAX_DIRECTORY).items():
                    if (match := pattern.fullmatch(f"{stem}/{member}")) and keep(match):
                        found[f"{stem}/{member}"] = match, Clip(path, entry)
        if found:
            return [found[name] for name in sorted(found)]
    raise absent(source, such_as, *(file.name for file in source.files[:2]))


def _walk(home: Path) -> Iterator[tuple[str, Path]]:
    """Give the files below a folder, links aside, with their names relative to it."""
    for folder, inner, names in os.walk(home, followlinks=False):
        below = Path(folder).relative_to(home)
        inner.sort()
        if len(below.parts) >= _MAX_DEPTH:
            inner.clear()
        for name in sorted(names):
            if not name.startswith(".") and (path := Path(folder, name)).is_file():
                yield (below / name).as_posix(), path


def unnest(source: Source, name: str, pattern: re.Pattern[str]) -> None:
    """Take archives out of the archive ``name``, if it is there, once, into the cache folder.

    ``pattern`` must match the whole name of the member; its group "name" is the one it gets.
    Raises: FormatError for a broken zip.
    """
    outer = places.find(source.home, name)
    if outer is None:
        return
    for member, entry in archive.directory(outer, max_directory=_MAX_DIRECTORY).items():
        if match := pattern.fullmatch(member):
            target = places.cache_folder() / source.home / match["name"]
            if not target.exists():
                archive.extract(outer, entry, target)


def unpack_tar(source: Source, packed: Path, pattern: re.Pattern[str], *, max_bytes: int) -> Path:
    """Unpack a tar archive, once, into a folder of the cache that may be deleted; other members are left out.

    ``pattern`` must match the whole name of a member, and its groups, joined by "/", are the name it gets. Gzip gives
    no access to a single member, so this is what makes reading on demand possible.

    Returns: the folder.
    Raises: FormatError for an archive that is not what it says, or has a name twice.
    """
    target = places.cache_folder() / source.home / f"{packed.name.removesuffix('.tar.gz')}-unpacked"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        for name, data in tar.members(packed, lambda n: pattern.fullmatch(n) is not None, max_bytes=max_bytes):
            match = pattern.fullmatch(name)
            assert match is not None
            path = work.joinpath(*(group for group in match.groups() if group))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            work.rename(target)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
    return target


def stratified(
    labels: NDArray[np.int64], *, share: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split a set that has no official split: of each class about ``share`` go to test, at least one if it has two.

    Returns: the indices of train and of test, rising. They depend on labels, share and seed alone.
    """
    test: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        order = np.random.default_rng((seed, int(label))).permutation(len(members))
        test.append(members[order[:count]])
    chosen = np.sort(np.concatenate(test)) if test else np.zeros(0, np.int64)
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen
