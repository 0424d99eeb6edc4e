"""Packed recordings: events of small sensors squeezed without loss into about 2.1 bytes each.

Members of the ``.npz`` (see ``formats/npz.py``), E events in N recordings one after the other:
``offsets`` (N + 1) int64, ``labels`` (N) uint8, ``ids`` (N) int32, ``size`` (2) (height, width); and three streams,
each an .xz file held in an array of bytes:
``place``  2 E bytes: x * 4, then y * 4 + polarity * 2 (shifted up: LZMA models the high bits of the byte before);
``gap``    E bytes: time since the event before (since 0 for the first of a recording), 255 if it is 255 us or more;
``long``   2 bytes little endian for each gap of 255: what exceeds 255 us.
"""

import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, ShapeError
from ranvier.data.formats import npz

Array = NDArray[Any]

COLUMNS = ("x", "y", "p", "t", "offsets", "labels", "ids")
_MEMBERS = ("offsets", "labels", "ids", "size", "place", "gap", "long")
_ESCAPE = 255
_MAX_PIXEL = 63
_MEMORY = 64 << 20
_RATIO, _ALLOWANCE = 100, 1 << 20  # a stream may unpack to 1 MiB + 100 times its size; real ones to twice


def encode(pack: Mapping[str, Array], *, size: tuple[int, int]) -> dict[str, Array]:
    """Squeeze a pack with the columns x, y, p, t (us), offsets, labels, ids.

    Raises: ShapeError if a pixel exceeds 63, time runs backwards within a recording, or a gap exceeds 65 ms.
    """
    x, y, p = (pack[name].astype(np.uint8) for name in "xyp")
    if max(size) > _MAX_PIXEL + 1 or (x.size and max(int(x.max()), int(y.max())) > _MAX_PIXEL):
        raise ShapeError("packed.encode", expected="pixels from 0 to 63", got=f"a sensor of {size}")
    t, first = pack["t"].astype(np.int64), _firsts(pack["offsets"])
    gap = np.diff(t, prepend=0)
    gap[first] = t[first]
    if gap.size and (gap.min() < 0 or gap.max() >= _ESCAPE + (1 << 16)):
        expected = f"gaps from 0 to {_ESCAPE + (1 << 16) - 1} us"
        raise ShapeError("packed.encode", expected=expected, got=f"{gap.min()} to {gap.max()} us")
    long = (gap[gap >= _ESCAPE] - _ESCAPE).astype("<u2")
    return {
        "offsets": pack["offsets"].astype(np.int64),
        "labels": pack["labels"].astype(np.uint8),
        "ids": pack["ids"].astype(np.int32),
        "size": np.array(size, np.int64),
        "place": _squeeze(np.stack([x << 2, (y << 2) | (p << 1)], 1), lc=2, lp=1),
        "gap": _squeeze(np.minimum(gap, _ESCAPE).astype(np.uint8), lc=0, lp=0),
        "long": _squeeze(long.view(np.uint8), lc=0, lp=1),
    }


def are_packed(names: Sequence[str]) -> bool:
    """Tell by the names of its members whether an archive holds packed recordings."""
    return all(name in names for name in _MEMBERS)


def read(path: str | Path) -> dict[str, Array]:
    """Read packed recordings as a pack: the columns x, y, p (uint8), t (uint32, us), offsets, labels, ids, and size.

    Raises: FormatError, naming path and member, if anything is broken or disagrees.
    """
    members = npz.read(path)
    if missing := [name for name in _MEMBERS if name not in members]:
        raise FormatError(str(path), expected="a file of packed recordings", got="no member " + ", ".join(missing))
    for name in _MEMBERS:
        if members[name].dtype.kind not in "iu" or members[name].ndim != 1:
            got = f"{members[name].dtype} {members[name].shape}"
            raise FormatError(f"{path}: member '{name}.npy'", expected="a row of whole numbers", got=got)
    offsets = members["offsets"].astype(np.int64)
    count = int(offsets[-1]) if offsets.size else -1
    sane = count >= 0 and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
    if not sane or not members["labels"].shape == members["ids"].shape == (len(offsets) - 1,):
        raise FormatError(f"{path}: member 'offsets.npy'", expected="N + 1 rising offsets for N labels", got="others")
    place = _unsqueeze(path, "place", members["place"], 2 * count).reshape(count, 2)
    gap = _unsqueeze(path, "gap", members["gap"], count).astype(np.int64)
    escaped = np.flatnonzero(gap == _ESCAPE)
    gap[escaped] += _unsqueeze(path, "long", members["long"], 2 * len(escaped)).view("<u2")
    t = np.cumsum(gap)
    first = _firsts(offsets)
    before = np.where(first > 0, t[first - 1], 0)  # time at the end of the recording before
    lengths = np.diff(np.append(first, count))
    t -= np.repeat(before, lengths)
    columns = {"x": place[:, 0] >> 2, "y": place[:, 1] >> 2, "p": (place[:, 1] >> 1) & 1, "t": t.astype(np.uint32)}
    return {**columns, "offsets": offsets, **{name: members[name] for name in ("labels", "ids", "size")}}


def _firsts(offsets: Array) -> NDArray[np.int64]:
    """Index of the first event of each recording that has one."""
    return offsets[:-1][np.diff(offsets) > 0].astype(np.int64)


def _squeeze(data: Array, *, lc: int, lp: int) -> Array:
    chain = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": lc, "lp": lp, "pb": lp, "dict_size": 4096}
    ]
    return np.frombuffer(lzma.compress(data.tobytes(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=chain), np.uint8)


def _unsqueeze(path: str | Path, name: str, packed: Array, count: int) -> NDArray[np.uint8]:
    where = f"{path}: member '{name}.npy'"
    if packed.dtype != np.uint8 or packed.ndim != 1 or count > _ALLOWANCE + _RATIO * packed.size:
        raise FormatError(where, expected=f"an .xz stream of {count} bytes", got=f"{packed.size} of {packed.dtype}")
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        data = unpacker.decompress(packed.tobytes(), max_length=count + 1)
        if not unpacker.eof:
            data += unpacker.decompress(b"", max_length=1)
    except (lzma.LZMAError, EOFError) as error:
        raise FormatError(where, expected="an .xz stream", got=f"a broken one ({error})") from error
    if len(data) != count or not unpacker.eof or unpacker.unused_data:
        got = (
            "more" if len(data) > count or unpacker.unused_data else f"{len(data)}{'' if unpacker.eof else ', cut off'}"
        )
        raise FormatError(where, expected=f"an .xz stream of {count} bytes", got=got)
    return np.frombuffer(bytearray(data), np.uint8)
