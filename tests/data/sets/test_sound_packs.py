"""The sets of sounds that are read from packs."""

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.sets import audio_denoise, robot_speech_commands


def commands(**changes):
    """Ten clips of "go", five of "stop"; clip i has i + 1 samples of value i."""
    clips = [np.full(i + 1, i, np.int16) for i in range(15)]
    pack = {
        "audio": np.concatenate(clips), "offsets": np.cumsum([0, *map(len, clips)]),
        "labels": np.array([0] * 10 + [1] * 5, np.uint8), "label_names": np.array(["go", "stop"]),
        "sample_rate": np.int64(8000),
    }  # fmt: skip
    return {**pack, **changes}


def test_of_each_class_every_fifth_clip_is_a_test_clip(home):
    np.savez(home("robot_speech_commands") / robot_speech_commands.PACK, **commands())
    train, test = robot_speech_commands.load("train"), robot_speech_commands.load("test")
    assert [len(test[i][0]) for i in range(len(test))] == [5, 10, 15]
    assert test.labels.tolist() == [0, 0, 1]
    assert len(train) == 12
    assert train.classes == test.classes == ("go", "stop")
    sound, label = test[1]
    assert (label, sound.rate) == (0, 8000)
    np.testing.assert_array_equal(sound.samples * 32768, np.full(10, 9))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audio": np.zeros(120, np.int32)}, "expected int16 audio"),
        ({"offsets": np.arange(15)}, "expected int16 audio"),
        ({"offsets": np.arange(16)}, "expected rising offsets from 0 to 120"),
        ({"labels": np.full(15, 2, np.uint8)}, "expected labels from 0 to 1"),
        ({"sample_rate": np.array([8000, 8000])}, "expected whole numbers with 0 axes"),
    ],
)
def test_broken_packs_are_refused(home, changes, words):
    np.savez(home("robot_speech_commands") / robot_speech_commands.PACK, **commands(**changes))
    with pytest.raises(FormatError, match=words):
        robot_speech_commands.load("train")


def pairs(**changes):
    wave = np.arange(10, dtype=np.int16)
    pack = {
        "noisy": wave, "clean": wave // 2, "offsets": np.array([0, 4, 10]), "utterance": np.array(["a", "b"]),
        "sample_rate": np.int64(16000),
    }  # fmt: skip
    return {**pack, **changes}


def test_a_pair_is_one_sentence_twice(home):
    np.savez(home("audio_denoise") / audio_denoise.PACK, **pairs())
    made = audio_denoise.load()
    noisy, clean = made[-1]
    np.testing.assert_array_equal(noisy.samples * 32768, [4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(clean.samples * 32768, [2, 2, 3, 3, 4, 4])
    assert (len(made), made.names, noisy.rate) == (2, ("a", "b"), 16000)
    with pytest.raises(IndexError):
        made[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clean": np.zeros(9, np.int16)}, "expected two waves of int16 and of one length"),
        ({"utterance": np.array(["a"])}, "expected 2 of them, got 3"),
        ({"offsets": np.array([0, 4, 11])}, "expected rising offsets from 0 to 10"),
    ],
)
def test_waves_that_do_not_pair_are_refused(home, changes, words):
    np.savez(home("audio_denoise") / audio_denoise.PACK, **pairs(**changes))
    with pytest.raises(FormatError, match=words):
        audio_denoise.load()


def test_the_real_commands_are_read(real):
    real("robot_speech_commands", robot_speech_commands.PACK)
    train, test = robot_speech_commands.load("train"), robot_speech_commands.load("test")
    assert np.bincount(train.labels).tolist() == [32] * 11
    assert np.bincount(test.labels).tolist() == [8] * 11
    assert 200 < np.mean([train[i][0].duration for i in range(len(train))]) < 3000


def test_the_real_noise_is_noise(real):
    real("audio_denoise", audio_denoise.PACK)
    made = audio_denoise.load()
    assert len(made) == 5
    for noisy, clean in (made[i] for i in range(5)):
        assert len(noisy) == len(clean) > 16000
        assert 0.3 < np.corrcoef(noisy.samples, clean.samples)[0, 1] < 0.9999
