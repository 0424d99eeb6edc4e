"""Spoken commands for a robot: 11 words, 40 clips each, mostly one speaker, 8 kHz.

Small and dependent on its speaker: good for trying keyword spotting, not for comparison with published numbers.
Source: Chen 2019, github.com/felixchenfy/ros_speech_commands_classification.
"""

import numpy as np

from ranvier.data.sets import arrays
from ranvier.data.sets.sounds import Sounds, read_sounds
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "robot_speech_commands.npz"
TEST_EVERY = 5  # of each class every fifth clip is a test clip
SOURCE = Source(
    name="robot_speech_commands",
    title="Spoken robot commands",
    kind="sound",
    licence="MIT",
    citation="Chen 2019, github.com/felixchenfy/ros_speech_commands_classification",
    split="none official; of each class every fifth clip test (88), the others train (352)",
    packs=(Pack(PACK, 6_260_848, "b2a1624f6547e5c0eb96fcb358ff2e0c570412fe98bca2c99f28b49487acf053"),),
    by_hand=pack_of("felixchenfy/ros_speech_commands_classification", "c84b709e1e"),
)


def load(split: Split = "train") -> Sounds:
    """Load the clips.

    Pack: ``audio`` int16, ``offsets``, ``labels``, ``label_names``, ``sample_rate``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    names = arrays.words(arrays.read(path, {"label_names": (arrays.TEXT, 1)})["label_names"])
    made = read_sounds(path, classes=names)
    rank = np.zeros(len(made), np.int64)  # of a clip within its class
    for label in range(len(names)):
        chosen = made.labels == label
        rank[chosen] = np.arange(chosen.sum())
    return made.take((rank % TEST_EVERY == TEST_EVERY - 1) == (split == "test"))
