"""Where a data set comes from: its files, licence, publication and official split; and how it is found or fetched."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ranvier.core.errors import ConfigError, DataError
from ranvier.data import places
from ranvier.data.download import RemoteFile, fetch

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The facts of a data set."""

    name: str  # also the name of its folder
    title: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    split: str  # the official one, in words

    def file(self, name: str) -> RemoteFile:
        """Give the file of this name."""
        return next(file for file in self.files if file.name == name)


def check_split(source: Source, split: str) -> None:
    """Raise a ConfigError unless ``split`` is "train" or "test"."""
    if split not in ("train", "test"):
        raise ConfigError(f"{source.name}: split", expected="'train' or 'test'", got=repr(split))


def obtain(
    source: Source, name: str, *, download: bool, progress: Callable[[int, int | None], None] | None = None
) -> Path | None:
    """Find an official file in RANVIER_DATA or the cache, or download it to the cache if allowed; else None."""
    unpacked = name.removesuffix(".gz")
    if (path := places.find(source.name, name, unpacked)) is not None:
        return path
    return fetch(source.file(name), places.cache_folder() / source.name, progress=progress) if download else None


def absent(source: Source, *choices: str) -> DataError:
    """Make the error for a data set that is nowhere; ``choices`` are the files that would do."""
    looked = ", ".join(str(folder / source.name) for folder in places.folders())
    mend = (
        f"Put them there, set {places.VARIABLE} to the folder above it, or pass download=True "
        f"(from {source.files[0].url.rsplit('/', 1)[0]})."
    )
    return DataError(source.title, expected=f"{' or '.join(choices)} in {looked}", got="none of them", mend=mend)
