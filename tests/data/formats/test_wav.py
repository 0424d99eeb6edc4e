import random
import struct
import wave

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.audio import Sound
from ranvier.data.formats import wav


def store(path, data, *, channels=1, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def test_what_was_written_is_read_again_to_the_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 777).astype(np.int16)
    wav.write(tmp_path / "a.wav", Sound(samples, 16_000))
    back = wav.read(tmp_path / "a.wav")
    assert back.rate == 16_000
    np.testing.assert_array_equal(back.samples * 32768, samples)


def test_what_is_louder_than_full_scale_is_cut(tmp_path):
    wav.write(tmp_path / "a.wav", Sound(np.array([2.0, -2.0, 0.5], np.float32), 8000))
    np.testing.assert_allclose(wav.read(tmp_path / "a.wav").samples, [32767 / 32768, -1.0, 0.5])


@pytest.mark.parametrize(
    ("width", "data", "expected"),
    [
        (1, bytes([0, 128, 192]), [-1.0, 0.0, 0.5]),
        (2, struct.pack("<3h", -32768, 0, 16384), [-1.0, 0.0, 0.5]),
        (3, b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40", [-1.0, 0.0, 0.5]),
        (4, struct.pack("<3i", -(2**31), 0, 2**30), [-1.0, 0.0, 0.5]),
    ],
)
def test_every_width_has_the_same_full_scale(tmp_path, width, data, expected):
    assert wav.read(store(tmp_path / "a.wav", data, width=width)).samples.tolist() == expected


def test_channels_are_averaged(tmp_path):
    path = store(tmp_path / "a.wav", struct.pack("<4h", 16384, 0, -16384, -32768), channels=2)
    assert wav.read(path).samples.tolist() == [0.25, -0.75]


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound at all, but long enough to look at" * 9])
def test_what_is_no_sound_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.wav: expected an uncompressed WAV file, got "):
        wav.read(tmp_path / "a.wav")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"b\.wav: expected an uncompressed WAV file, got No such file"):
        wav.read(tmp_path / "b.wav")


def test_damaged_files_give_an_error_or_a_sound_no_longer_than_the_file(tmp_path):
    rng, whole = random.Random(0), store(tmp_path / "a.wav", bytes(range(200)) * 4).read_bytes()
    refused = 0
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(60)] = rng.randrange(256)
        (tmp_path / "b.wav").write_bytes(data[: rng.randint(10, len(data))])
        try:
            assert len(wav.read(tmp_path / "b.wav")) <= len(whole)
        except FormatError:
            refused += 1
    assert 50 < refused < 500
