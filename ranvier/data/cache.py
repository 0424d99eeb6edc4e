"""Encoded samples kept on disk: keyed by what a sample holds and how it is encoded, optional, safe to delete.

An entry is a file of 32 bytes (BLAKE2b of what follows), 8 with the type of the tensor, and an ``.npy`` array, of bytes
if all numbers are whole ones from 0 to 255, as counts of events are. One that is damaged is made anew. Entries appear
by one rename, so that several processes may fill a cache.
"""

import hashlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier import __version__
from ranvier.core.errors import ConfigError
from ranvier.data.events import Events
from ranvier.data.loader import LabelledSet
from ranvier.data.places import cache_folder

S = TypeVar("S")
_DIGEST, _KIND = 32, 8


@dataclass(frozen=True, eq=False)
class Cached(Generic[S]):
    """A set whose encoded samples are kept on disk; sample i is (tensor, label). Load it with ``encode=same``."""

    samples: LabelledSet[S]
    encode: Callable[[S], Tensor]
    folder: Path

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        content = getattr(self.samples, "content", None)
        sample: tuple[S, int] | None = None
        digest = hashlib.blake2b(self._how().encode(), digest_size=_DIGEST)
        if content is None:
            sample = self.samples[index]
            _add(digest, sample[0])
        else:  # the bytes of a file tell a sample without decoding it
            digest.update(b"content")
            digest.update(content(index))
        path = self.folder / digest.hexdigest()[:2] / digest.hexdigest()
        found = _load(path)
        if found is None:
            sample = sample or self.samples[index]
            found = self.encode(sample[0])
            _store(path, found)
        label = self.samples.labels[index] if sample is None else sample[1]  # type: ignore[attr-defined]
        return found, int(label)

    def _how(self) -> str:
        """Describe all that decides what a sample becomes, but its content."""
        read = getattr(self.samples, "read", None)
        return repr((__version__, described(self.encode), described(read)))


def cached(samples: LabelledSet[S], encode: Callable[[S], Tensor], *, name: str = "encoded") -> Cached[S]:
    """Keep what ``encode`` gives for each sample in the cache folder, under ``name``.

    A set that has ``content(index)`` tells by its bytes what a sample is; of others the sample itself is read for that.
    It pays where reading and encoding cost more than reading the tensor back. Delete the folder after a change of the
    code of an encoding of your own: its name and its numbers are in the key, its code is not.

    Raises: ConfigError for a name with folders in it, or an encoding that cannot be described (see ``described``).
    """
    if name != Path(name).name or name in ("", ".", ".."):
        raise ConfigError("cached", expected="a plain name of a folder", got=repr(name))
    made = Cached(samples, encode, cache_folder() / "samples" / name)
    made._how()
    return made


def described(thing: object) -> object:
    """Describe a value by what it is made of: the same for equal values, in any process.

    Plain values, tuples, lists and dicts of them, frozen dataclasses, named functions and partials can be described.
    Raises: ConfigError for anything else, such as a lambda.
    """
    if thing is None or isinstance(thing, bool | int | float | str | bytes | Path):
        return repr(thing)
    if isinstance(thing, tuple | list):
        return type(thing).__name__, *(described(part) for part in thing)
    if isinstance(thing, dict):
        return "dict", *((repr(key), described(value)) for key, value in thing.items())
    if is_dataclass(thing) and not isinstance(thing, type):
        kind = type(thing)
        parts = tuple((field.name, described(getattr(thing, field.name))) for field in fields(thing))
        return f"{kind.__module__}.{kind.__qualname__}", parts
    if isinstance(thing, partial):
        return "partial", described(thing.func), described(thing.args), described(thing.keywords)
    name = getattr(thing, "__qualname__", "<")
    if callable(thing) and "<" not in name and getattr(thing, "__self__", None) is None:
        return f"{getattr(thing, '__module__', '')}.{name}"
    mend = "Write it as a frozen dataclass with __call__, or as a function of a module."
    raise ConfigError("cached", expected="an encoding that can be told from others", got=repr(thing)[:80], mend=mend)


def _add(digest: "hashlib.blake2b", sample: Any) -> None:
    """Add a sample's content: arrays with their types and shapes, in the order of its fields."""
    if isinstance(sample, Tensor):
        sample = sample.detach().cpu().numpy()
    if isinstance(sample, np.ndarray):
        digest.update(f"{sample.dtype.str}{sample.shape}".encode())
        digest.update(np.ascontiguousarray(sample).data)
    elif isinstance(sample, Events) or is_dataclass(sample):
        for field in fields(sample):
            _add(digest, getattr(sample, field.name))
    elif isinstance(sample, tuple):
        for part in sample:
            _add(digest, part)
    else:
        digest.update(repr(described(sample)).encode())


def _load(path: Path) -> Tensor | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.blake2b(content[_DIGEST:], digest_size=_DIGEST).digest() != content[:_DIGEST]:
        return None
    start = _DIGEST + _KIND
    kind = np.dtype(content[_DIGEST:start].decode().strip())
    array = np.load(io.BytesIO(content[start:]), allow_pickle=False)
    return torch.from_numpy(array.astype(kind, copy=False))


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Give bytes if they hold the same numbers, to the bit (-0.0 is not 0.0), else the array."""
    if array.dtype.kind not in "fiu" or not array.size or not (array.min() >= 0 and array.max() <= 255):
        return array
    small = array.astype(np.uint8)
    return small if small.astype(array.dtype).tobytes() == array.tobytes() else array


def _store(path: Path, tensor: Tensor) -> None:
    """Write an entry; a full disk or a folder that cannot be written costs the cache, not the run."""
    array = tensor.detach().cpu().contiguous().numpy()
    out = io.BytesIO()
    out.write(array.dtype.str.encode().ljust(_KIND))
    np.save(out, _small(array), allow_pickle=False)
    content = out.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            part = Path(file.name)
            try:
                file.write(hashlib.blake2b(content, digest_size=_DIGEST).digest() + content)
            except OSError:
                part.unlink(missing_ok=True)
                return
        part.replace(path)
    except OSError:
        return
