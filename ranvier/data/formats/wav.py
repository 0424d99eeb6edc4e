"""WAV: uncompressed sound, 8 to 32 bits, read by Python's own module and checked. Source: Microsoft RIFF, 1991.

Several channels are averaged.
"""

import io
import wave
from pathlib import Path

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data.audio.sound import Sound

_MAX_RATE = 1_000_000


def read(path: str | Path) -> Sound:
    """Read a sound.

    Returns: one channel, full scale -1 to 1.
    Raises: FormatError, naming the file, for anything that is not uncompressed sound of 8, 16, 24 or 32 bits.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        got = error.strerror or str(error)
        raise FormatError(str(path), expected="an uncompressed WAV file", got=got) from None
    return parse(content, where=str(path))


def parse(content: bytes | bytearray, *, where: str) -> Sound:
    """Read a sound from the bytes of a file; ``where`` names it in errors. See ``read``."""
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            # What the header says is not trusted.
            data = file.readframes(min(file.getnframes(), len(content) // max(1, channels * width)))
    except (wave.Error, EOFError, ValueError, OverflowError, RuntimeError) as error:
        got = str(error) or type(error).__name__
        raise FormatError(where, expected="an uncompressed WAV file", got=got) from None
    if not (1 <= channels <= 64 and 1 <= width <= 4 and 1 <= rate <= _MAX_RATE):
        got = f"{channels} channels of {8 * width} bits at {rate} Hz"
        raise FormatError(where, expected="1 to 64 channels of 8 to 32 bits", got=got)
    whole = np.frombuffer(data, np.uint8, len(data) // (channels * width) * channels * width)
    return Sound(_scaled(whole.reshape(-1, channels, width)).mean(1, dtype=np.float32), rate)


def write(path: str | Path, sound: Sound) -> None:
    """Write a sound as 16 bits, one channel; what exceeds full scale is cut."""
    scaled = np.clip(np.rint(sound.samples * 32768), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(scaled.tobytes())


def _scaled(
    bytes_NCW: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    width = bytes_NCW.shape[-1]
    if width == 1:  # unsigned, unlike the others
        return np.asarray((bytes_NCW[..., 0].astype(np.float32) - 128) / 128, np.float32)
    wide = np.zeros((*bytes_NCW.shape[:2], 4), np.uint8)
    wide[..., 4 - width :] = bytes_NCW
    return np.asarray(wide.view("<i4")[..., 0] / 2.0**31, np.float32)
