import io
import tarfile

import numpy as np
import pytest

from ranvier.core.errors import DataError, FormatError
from ranvier.data.audio.sound import Sound
from ranvier.data.formats import wav
from ranvier.data.sets import speech_commands

CLIPS = (
    "yes/0a_nohash_1.wav",
    "yes/0a_nohash_0.wav",
    "bed/1b_nohash_0.wav",
    "no/2c_nohash_0.wav",
    "up/2c_nohash_0.wav",
)


def files(tmp_path):
    made = {}
    for number, name in enumerate(CLIPS):
        wav.write(tmp_path / "a.wav", Sound(np.full(100, (number + 1) / 8, np.float32), 16000))
        made[name] = (tmp_path / "a.wav").read_bytes()
    made["validation_list.txt"] = b"no/2c_nohash_0.wav\n"
    made["testing_list.txt"] = b"yes/0a_nohash_0.wav\nup/2c_nohash_0.wav\n"
    made["_background_noise_/white.wav"] = made["README.md"] = b"left out"
    return made


def put(folder, members):
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def archive(path, members, prefix="./", **odd):
    with tarfile.open(path, "w:gz") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
        for name, kind in odd.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            packed.addfile(info)


@pytest.mark.parametrize("layout", ["folder", "inner folder", "archive"])
def test_the_lists_of_the_publisher_split_it(home, tmp_path, layout):
    folder, members = home("speech_commands"), files(tmp_path)
    if layout == "archive":
        archive(folder / "speech_commands_v0.02.tar.gz", members)
    else:
        put(folder / ("speech_commands_v0.02" if layout == "inner folder" else "."), members)
    train, valid, test = (speech_commands.load(split) for split in ("train", "validation", "test"))
    assert [len(made) for made in (train, valid, test)] == [2, 1, 2]
    assert [train.classes[label] for label in train.labels] == ["bed", "yes"]
    assert [test.classes[label] for label in test.labels] == ["up", "yes"]
    assert train.speakers == ("1b", "0a")
    sound, label = test[1]
    assert (sound.rate, test.classes[label], len(sound)) == (16000, "yes", 100)
    np.testing.assert_allclose(sound.samples, 2 / 8, atol=1e-4)
    assert test.take(np.array([0])).speakers == ("2c",)
    if layout == "archive":
        unpacked = tmp_path / "cache" / "ranvier" / "speech_commands" / "speech_commands_v0.02-unpacked"
        assert sorted(p.name for p in unpacked.iterdir()) == [
            "bed",
            "no",
            "testing_list.txt",
            "up",
            "validation_list.txt",
            "yes",
        ]


def test_a_hostile_archive_leaves_nothing_behind(home, tmp_path):
    folder = home("speech_commands")
    archive(folder / "speech_commands_v0.02.tar.gz", files(tmp_path), **{"yes/0b_nohash_0.wav": tarfile.SYMTYPE})
    with pytest.raises(FormatError, match="a symbolic link named 'yes/0b_nohash_0.wav'"):
        speech_commands.load("test")
    assert list((tmp_path / "cache" / "ranvier" / "speech_commands").iterdir()) == []
    archive(folder / "speech_commands_v0.02.tar.gz", files(tmp_path), prefix="../")
    with pytest.raises(FormatError, match="escapes from it"):
        speech_commands.load("test")
    assert not (tmp_path / "cache" / "ranvier" / "yes").exists()


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        (
            "testing_list.txt",
            b"../../etc/passwd",
            FormatError,
            "testing_list.txt: entry 1: expected WORD/NAME_nohash_N.wav",
        ),
        ("validation_list.txt", b"colour/1a_nohash_0.wav", FormatError, "validation_list.txt: entry 1"),
        ("testing_list.txt", b"yes/ff_nohash_0.wav", DataError, "expected yes/ff_nohash_0.wav in"),
    ],
)
def test_broken_lists_are_refused(home, tmp_path, name, data, error, words):
    put(home("speech_commands"), {**files(tmp_path), name: data})
    with pytest.raises(error, match=words):
        speech_commands.load("train")


def test_a_clip_of_another_rate_is_refused(home, tmp_path):
    folder = home("speech_commands")
    put(folder, files(tmp_path))
    wav.write(folder / "no" / "2c_nohash_0.wav", Sound(np.zeros(5, np.float32), 8000))
    with pytest.raises(FormatError, match="expected 16000 samples a second, got 8000"):
        speech_commands.load("validation")[0]
    assert len(speech_commands.CLASSES) == 35


def test_a_real_clip_is_read(home, real, tmp_path):
    clip = real("audio_samples", "yes_1000ms.wav") / "yes_1000ms.wav"
    put(home("speech_commands"), {**files(tmp_path), "no/2c_nohash_0.wav": clip.read_bytes()})
    sound, _ = speech_commands.load("validation")[0]
    assert (len(sound), sound.rate) == (16000, 16000)
    assert 0.01 < np.abs(sound.samples).max() <= 1
