"""LZ4 and Zstandard frames unpacked with a bound; the packages that do it are an extra and load late.

A frame may unpack to 64 KiB + 1000 times its size, and to 16 MiB at most, whatever it declares.
"""

from importlib import import_module
from typing import Any

from ranvier.core.errors import MissingExtraError

LZ4, ZSTD = b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"
_RATIO, _ALLOWANCE, _MOST = 1000, 1 << 16, 16 << 20
_PIECE = 1 << 12


class Refused(Exception):  # noqa: N818 # never leaves the formats: it becomes a fault
    """The frame is broken, or holds more than it may."""


def library(name: str) -> Any:
    """Load a package of the extra.

    Raises: MissingExtraError that says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        mend = f"pip install {package}, or pip install 'ranvier[events]'."
        raise MissingExtraError("AEDAT 4", expected=f"the package {package}", got="none", mend=mend) from error


def limit(num: int) -> int:
    """Give how many bytes a frame of ``num`` bytes may unpack to."""
    return min(_MOST, _ALLOWANCE + _RATIO * num)


def _pieces(unpacker: Any, frame: bytes, most: int) -> bytes:
    """Unpack up to ``most + 1`` bytes. The library takes memory for all that it may give: little first."""
    want = min(most + 1, _PIECE + 4 * len(frame))
    out: bytes = unpacker.decompress(frame, max_length=want)
    while len(out) == want and not unpacker.eof and want <= most:
        more = min(most + 1 - want, 3 * want)
        out += unpacker.decompress(b"", max_length=more)
        want += more
    return out


def unpack(frame: bytes) -> bytes:
    """Unpack a frame, told by its magic number.

    Raises: Refused; MissingExtraError.
    """
    most = limit(len(frame))
    if frame.startswith(LZ4):
        lz4 = library("lz4.frame")
        unpacker = lz4.LZ4FrameDecompressor()
        try:
            out = _pieces(unpacker, frame, most)
        except (RuntimeError, EOFError, ValueError) as error:
            raise Refused(f"a broken LZ4 frame ({str(error)[:80]})") from error
        if len(out) > most:
            raise Refused(f"an LZ4 frame that unpacks to more than {most} bytes")
        if not unpacker.eof:
            raise Refused("an LZ4 frame without its end")
        return out
    if frame.startswith(ZSTD):
        zstd = library("zstandard")
        try:
            declared = zstd.frame_content_size(frame)
            if declared > most:
                raise Refused(f"a Zstandard frame that declares {declared} bytes, more than {most}")
            unpacker = zstd.ZstdDecompressor(max_window_size=1 << 27)
            out = bytes(unpacker.decompress(frame, max_output_size=most))
        except zstd.ZstdError as error:
            raise Refused(f"a broken Zstandard frame, or one of more than {most} bytes ({str(error)[:80]})") from error
        return out
    raise Refused(f"neither an LZ4 nor a Zstandard frame ({frame[:4].hex()})")
