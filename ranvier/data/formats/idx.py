"""IDX files of unsigned bytes, as MNIST and Fashion-MNIST use them, plain or gzipped.

Layout, big endian: two zero bytes, type 0x08 (unsigned byte), number of axes, one u32 size per axis, then the bytes.
Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError

_UBYTE = 0x08
_MAX_AXES = 4
_MAX_RATIO = 1032  # what one deflated byte can become at most
_CHUNK = 1 << 16


def read(path: str | Path, *, axes: int | None = None) -> NDArray[np.uint8]:
    """Read an IDX file; a gzip file is recognised by its first bytes.

    Args: path: the file. axes: how many axes it must have (1 for labels, 3 for images); None takes any from 1 to 4.
    Returns: the array; memory follows the bytes that are really there, never the declared sizes.
    Raises: FormatError, naming path and byte offset, if anything disagrees.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        raw = file.read(2)
        packed = raw == b"\x1f\x8b"
        if packed:
            raw += file.read()
            return _read_gzip(path, raw, axes)
        head = raw + file.read(2)
        shape = _shape(path, head + file.read(4 * _axes(path, head, axes)))
        start, count = 4 + 4 * len(shape), math.prod(shape)
        if size != start + count:
            raise FormatError(
                f"{path}: byte {start}", expected=f"{count} bytes for shape {shape}", got=f"{size - start} in the file"
            )
        return np.fromfile(file, np.uint8, count).reshape(shape)


def parse(raw: bytes, *, axes: int | None = None, where: str = "bytes") -> NDArray[np.uint8]:
    """Read the bytes of a gzipped IDX file; ``where`` names them in errors. See ``read``."""
    if not raw.startswith(b"\x1f\x8b"):
        raise FormatError(f"{where}: byte 0", expected="a gzip stream", got=repr(raw[:4]))
    return _read_gzip(Path(where), raw, axes)


def _axes(path: Path, head: bytes | bytearray, axes: int | None) -> int:
    if len(head) < 4 or head[:2] != b"\0\0":
        raise FormatError(
            f"{path}: byte 0", expected="an IDX file (00 00 type axes)", got=head.hex() or "an empty file"
        )
    if head[2] != _UBYTE:
        raise FormatError(f"{path}: byte 2", expected="type 0x08, unsigned bytes", got=f"type {head[2]:#04x}")
    if not 1 <= head[3] <= _MAX_AXES or (axes is not None and head[3] != axes):
        wanted = f"{axes} axes" if axes is not None else f"1 to {_MAX_AXES} axes"
        raise FormatError(f"{path}: byte 3", expected=wanted, got=str(head[3]))
    return head[3]


def _shape(path: Path, head: bytes | bytearray) -> tuple[int, ...]:
    if len(head) < 4 + 4 * head[3]:
        raise FormatError(f"{path}: byte {len(head)}", expected=f"{head[3]} sizes", got="the end of the file")
    return tuple(int(n) for n in np.frombuffer(head, ">u4", offset=4))


def _read_gzip(path: Path, raw: bytes, axes: int | None) -> NDArray[np.uint8]:
    inner = zlib.decompressobj(31)
    head = _inflate(path, inner, raw, 4)
    head += _inflate(path, inner, inner.unconsumed_tail, 4 * _axes(path, head, axes))
    shape = _shape(path, head)
    start, count = len(head), math.prod(shape)
    if count > _MAX_RATIO * len(raw):
        raise FormatError(
            f"{path}: unpacked byte 4",
            expected="sizes that fit the file",
            got=f"shape {shape} from {len(raw)} gzipped bytes",
        )
    body = _inflate(path, inner, inner.unconsumed_tail, count + 1)
    if len(body) != count:
        got = f"{len(body)} in the file" if len(body) < count else "more"
        raise FormatError(f"{path}: unpacked byte {start}", expected=f"{count} bytes for shape {shape}", got=got)
    if not inner.eof:  # the trailer with the CRC is read only when asked for more
        _inflate(path, inner, inner.unconsumed_tail, 1)
    if not inner.eof or inner.unused_data:
        got = "bytes after its end" if inner.eof else "a truncated one"
        raise FormatError(f"{path}: byte {len(raw) - len(inner.unused_data)}", expected="one gzip stream", got=got)
    return np.frombuffer(body, np.uint8).reshape(shape)


def _inflate(path: Path, inner: "zlib._Decompress", data: bytes, count: int) -> bytearray:
    """Unpack ``count`` bytes, fewer if the stream ends; what was not needed stays in ``inner.unconsumed_tail``."""
    out = bytearray()
    try:
        while len(out) < count and not inner.eof:
            piece = inner.decompress(data, min(count - len(out), 16 * _CHUNK))
            data = inner.unconsumed_tail
            if not piece and not data:
                break
            out += piece
    except zlib.error as error:
        where = f"{path}: unpacked byte {len(out)}"
        raise FormatError(where, expected="gzip data", got=f"broken data ({error})") from error
    return out
