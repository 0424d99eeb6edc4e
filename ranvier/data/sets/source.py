"""Where a data set comes from: its files, licence, publication and official split; and how it is found or fetched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ranvier.core.errors import ConfigError, DataError
from ranvier.data import places
from ranvier.data.download import RemoteFile, fetch

Split = Literal["train", "test"]
ThreeSplits = Literal["train", "validation", "test"]
Kind = Literal["images", "events", "detection", "sound", "signals", "text", "neural recordings", "graph", "voxels"]


class Pack(NamedTuple):
    """A ``.npz`` or other file that somebody made from a data set and that its loader reads as well."""

    name: str  # relative to the folder of the set
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The facts of a data set."""

    name: str
    title: str
    kind: Kind = "images"
    files: tuple[RemoteFile, ...] = ()  # official ones; with ``by_hand`` their addresses are pages
    licence: str
    citation: str
    split: str  # the official one, in words
    splits: tuple[str, ...] = ("train", "test")  # what ``load`` takes; none: it takes no split
    packs: tuple[Pack, ...] = ()  # any of them makes the set usable
    unpacked: tuple[str, ...] = ()  # patterns of files; any match makes the set usable
    by_hand: str = ""  # why it cannot be fetched and where to get it; "" if it can
    folder: str = ""  # the folder it lies in; "": its name

    @property
    def home(self) -> str:
        """The name of its folder."""
        return self.folder or self.name

    @property
    def bytes(self) -> int | None:
        """What is downloaded, else the size of the packs; None where the publisher names no size."""
        if self.files and not all(file.bytes for file in self.files):
            return None
        return sum(file.bytes or 0 for file in self.files) or sum(pack.bytes for pack in self.packs) or None

    def file(self, name: str) -> RemoteFile:
        """Give the file of this name."""
        return next(file for file in self.files if file.name == name)

    def place(self) -> Path | None:
        """Find the folder with files that the loader can read: a pack, unpacked files, or all official files."""
        return next((folder for folder in self._homes() if self._usable(folder)), None)

    def _homes(self) -> Iterator[Path]:
        for folder in places.folders():
            if (home := folder / self.home).is_dir():
                yield home

    def _usable(self, home: Path) -> bool:
        if any((home / pack.name).is_file() for pack in self.packs):
            return True
        if any(next(home.glob(pattern), None) is not None for pattern in self.unpacked):
            return True
        official = [(home / file.name, home / file.name.removesuffix(".gz")) for file in self.files]
        return bool(official) and all(packed.is_file() or plain.is_file() for packed, plain in official)


def pack_of(repository: str, commit: str) -> str:
    """Say how to get a set that is read from a pack: what it was made from."""
    return f"It is read from a pack made from github.com/{repository} at {commit} (docs/data-sets.md says how)."


def check_split(source: Source, split: str) -> None:
    """Raise a ConfigError unless ``split`` is one that the set has."""
    if split not in source.splits:
        *first, last = (repr(known) for known in source.splits)
        raise ConfigError(f"{source.name}: split", expected=f"{', '.join(first)} or {last}", got=repr(split))


def check_fetchable(source: Source) -> None:
    """Raise a DataError that says what to do unless the set can be downloaded."""
    if source.by_hand:
        homes = " or ".join(str(folder / source.home) for folder in places.folders())
        mend = f"{source.by_hand} Put the files into {homes}."
        raise DataError(source.title, expected="files that can be fetched", got="a set to be got by hand", mend=mend)


def obtain(
    source: Source, name: str, *, download: bool, progress: Callable[[int, int | None], None] | None = None
) -> Path | None:
    """Find an official file in RANVIER_DATA or the cache, or download it to the cache if allowed; else None.

    Raises: DataError if it may be downloaded but cannot be.
    """
    unpacked = name.removesuffix(".gz")
    if (path := places.find(source.home, name, unpacked)) is not None:
        return path
    if not download:
        return None
    check_fetchable(source)
    return fetch(source.file(name), places.cache_folder() / source.home, progress=progress)


def ensure(source: Source, *, download: bool) -> None:
    """Download all official files if it is allowed and the set is nowhere.

    Raises: DataError if they cannot be fetched.
    """
    if download and source.place() is None:
        check_fetchable(source)
        for file in source.files:
            obtain(source, file.name, download=True)


def find(source: Source, *choices: str) -> Path:
    """Find the first of ``choices`` in the folder of a set.

    Raises: DataError that says where it was looked for and what to do.
    """
    if (path := places.find(source.home, *choices)) is None:
        raise absent(source, *choices)
    return path


def absent(source: Source, *choices: str) -> DataError:
    """Make the error for a data set that is nowhere; ``choices`` are the files that would do."""
    looked = ", ".join(str(folder / source.home) for folder in places.folders())
    mend = f"Put them there, set {places.VARIABLE} to the folder above it"
    if source.by_hand:
        mend += f". {source.by_hand}"
    else:
        mend += f", or pass download=True (from {source.files[0].url.rsplit('/', 1)[0]})."
    return DataError(source.title, expected=f"{' or '.join(choices)} in {looked}", got="none of them", mend=mend)
