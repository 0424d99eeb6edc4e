"""WFDB records as PhysioNet keeps them: a header of text, signals in format 212, annotations in MIT format.

Header (``.hea``): "NAME signals rate samples", then a line each "FILE 212 gain bits zero first checksum block name".
Signals (``.dat``): two samples of 12 bits in 3 bytes, those of all signals in turn. Annotations (``.atr``): words of 16
bits, little endian, 6 bits of type and 10 of samples since the one before; type 59 is followed by 4 bytes of a longer
step, 60 to 62 change what we do not use, 63 is followed by text; a word of 0 ends.
Source: Moody, "WFDB Applications Guide", signal(5), header(5), annot(5).
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError

_SKIP, _NOTES, _TEXT, _LAST_BEAT = 59, (60, 61, 62), 63, 49
_MAX_HEADER = 1 << 16
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class Signal(NamedTuple):
    """What a header says of a signal."""

    name: str
    gain: float  # steps per unit, mostly mV
    zero: int
    checksum: int  # of all samples, as 16 bits with a sign


class Record(NamedTuple):
    """A record. Letters: T samples, C signals."""

    rate: float  # Hz
    signals: tuple[Signal, ...]
    samples_TC: NDArray[np.int16]  # steps of the converter

    def physical(self) -> NDArray[np.float32]:
        """Give the samples in the unit of their gain: (T, C)."""
        zero = np.array([signal.zero for signal in self.signals], np.float32)
        gain = np.array([signal.gain for signal in self.signals], np.float32)
        return (self.samples_TC - zero) / gain


class Annotations(NamedTuple):
    """Marks at samples; types are numbered as WFDB does (1 is a normal beat)."""

    samples: NDArray[np.int64]
    types: NDArray[np.int64]


def read(header: Path) -> Record:
    """Read the record of a header; its signals lie in one file beside it.

    Raises: FormatError, naming file and line or byte, for another format, a file that lies elsewhere, a wrong number of
        bytes, or a checksum that fails.
    """
    rate, count, file, signals = _header(header)
    path = header.parent / file
    if not path.is_file():
        raise FormatError(f"{header}: line 2", expected=f"the file {file} beside it", got="none")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    total = count * len(signals)
    if data.size != -(-total * 3 // 2):
        raise FormatError(str(path), expected=f"{-(-total * 3 // 2)} bytes for {total} samples", got=str(data.size))
    whole = np.zeros(-(-data.size // 3) * 3, np.uint8)
    whole[: data.size] = data
    three = whole.reshape(-1, 3).astype(np.int16)
    pair = np.stack([three[:, 0] | (three[:, 1] & 0x0F) << 8, three[:, 2] | (three[:, 1] & 0xF0) << 4], 1)
    samples = (pair.reshape(-1)[:total] << 4 >> 4).reshape(count, len(signals))  # the 12th bit is the sign
    sums = samples.sum(0, dtype=np.int64).astype(np.int16)
    for signal, got in zip(signals, sums.tolist(), strict=True):
        if got != signal.checksum:
            raise FormatError(f"{path}: {signal.name}", expected=f"checksum {signal.checksum}", got=str(got))
    return Record(rate, signals, samples)


def read_annotations(path: Path) -> Annotations:
    """Read annotations; notes and texts are left out.

    Raises: FormatError, naming the byte, for a file that breaks off.
    """
    data = path.read_bytes()
    at, time = 0, 0
    samples: list[int] = []
    types: list[int] = []
    while at + 2 <= len(data):
        word = int.from_bytes(data[at : at + 2], "little")
        kind, step = word >> 10, word & 0x3FF
        at += 2
        if word == 0:
            return Annotations(np.array(samples, np.int64), np.array(types, np.int64))
        if kind == _SKIP:
            if at + 4 > len(data):
                break
            high, low = data[at : at + 2], data[at + 2 : at + 4]
            time += int.from_bytes(high, "little", signed=True) * 65536 + int.from_bytes(low, "little")
            at += 4
        elif kind == _TEXT:
            at += step + step % 2
        elif kind not in _NOTES:
            time += step
            if time < 0 or kind > _LAST_BEAT:
                expected = f"a type up to {_LAST_BEAT} and a time >= 0"
                raise FormatError(f"{path}: byte {at - 2}", expected=expected, got=f"type {kind} at sample {time}")
            samples.append(time)
            types.append(kind)
    raise FormatError(f"{path}: byte {len(data)}", expected="a word of 0 at the end", got="the end of the file")


def _header(path: Path) -> tuple[float, int, str, tuple[Signal, ...]]:
    with path.open("rb") as file:
        text = file.read(_MAX_HEADER + 1)
    lines = [line.split() for line in text.decode("latin-1").splitlines() if line.strip() and not line.startswith("#")]
    first = lines[0] if lines and len(text) <= _MAX_HEADER else []
    if len(first) < 4 or not all(_NUMBER.fullmatch(word) for word in first[1:4]):
        raise FormatError(
            f"{path}: line 1", expected="a name, signals, rate and samples", got=repr(" ".join(first))[:80]
        )
    number, rate, count = int(float(first[1])), float(first[2]), int(float(first[3]))
    if not 0 < number <= 64 or not 0 < count < 1 << 32 or rate <= 0 or len(lines) < 1 + number:
        got = f"{number} signals of {count} samples at {rate} Hz in {len(lines)} lines"
        raise FormatError(f"{path}: line 1", expected="1 to 64 signals with a line each", got=got)
    signals, files = [], set()
    for index, words in enumerate(lines[1 : 1 + number], 2):
        plain = len(words) >= 8 and words[1] == "212" and Path(words[0]).name == words[0]
        plain = plain and all(_NUMBER.fullmatch(word) for word in words[3:8])
        found = _NUMBER.match(words[2]) if plain else None  # "200(1024)/mV" begins with it
        gain = float(found[0]) if found else 0.0
        if gain <= 0:
            expected = "FILE 212 gain bits zero first checksum block name"
            raise FormatError(f"{path}: line {index}", expected=expected, got=repr(" ".join(words))[:80])
        files.add(words[0])
        name = " ".join(words[8:]) or f"signal {index - 2}"
        signals.append(Signal(name, gain, int(float(words[4])), int(float(words[6]))))
    if len(files) > 1:
        raise FormatError(f"{path}: line 2", expected="one file of signals", got=", ".join(sorted(files))[:80])
    return rate, count, files.pop(), tuple(signals)
