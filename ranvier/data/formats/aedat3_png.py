"""Frames of AEDAT 3.1 that are packed as PNG; ``formats/aedat3_streams.py`` has the plain ones.

A packet of packed frames has bit 15 of its type set, and its capacity is the number of bytes behind its header. Its
frames lie one behind the other: the 36 bytes of a frame's header; then, where bit 31 of its info is set, i32 size and
so many bytes of a PNG image of the frame's width, height and channels with 16 bits each; else its plain pixels.
The specification knows plain packets only. Source: what cAER's input module reads (modules/misc/in/input_common.c);
its recordings say "#Format: PNGFrames".
"""

import io
import struct
import zlib
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

PACKED_TYPE = 1 << 15  # marks a packet
PACKED = 1 << 31  # marks a frame
_MOST = 16 << 20  # bytes of an unpacked image
_BEGIN = struct.Struct(">8sI4sIIBBBBB")
_SIGNATURE, _GREY = b"\x89PNG\r\n\x1a\n", 0


class Refused(Exception):  # noqa: N818 # never leaves the formats: it becomes a fault
    """The image is broken, or another than the frame says."""


def grey(data: bytes, width: int, height: int, channels: int) -> NDArray[np.uint16]:
    """Unpack a grey image; its size is checked before memory is taken for it.

    Returns: (H, W).
    Raises: Refused, for colours too: Pillow gives 8 of their 16 bits.
    """
    if channels != 1:
        raise Refused(f"{channels} channels as PNG, of which Pillow gives 8 of 16 bits")
    if len(data) < _BEGIN.size:
        raise Refused(f"a PNG image of {len(data)} bytes")
    signature, length, chunk, wide, high, depth, colour, _, _, interlaced = _BEGIN.unpack_from(data)
    if signature != _SIGNATURE or (length, chunk) != (13, b"IHDR"):
        raise Refused("no PNG image")
    if (wide, high, depth, colour, interlaced) != (width, height, 16, _GREY, 0):
        raise Refused(f"a PNG image of {high} x {wide}, {depth} bits, colours {colour}, interlaced {interlaced}")
    if 2 * width * height > _MOST:
        raise Refused(f"a PNG image of {high} x {wide}, more than {_MOST} bytes")
    image = import_module("PIL.Image")  # comes with matplotlib
    try:
        with image.open(io.BytesIO(data), formats=["PNG"]) as found:
            pixels = np.asarray(found)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        zlib.error,
        image.DecompressionBombError,
    ) as error:
        raise Refused(f"a broken PNG image ({str(error)[:80] or type(error).__name__})") from error
    if pixels.shape != (height, width):
        raise Refused(f"a PNG image of {pixels.shape}")
    return pixels.astype(np.uint16)
