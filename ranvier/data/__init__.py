"""Data: event arrays, readers of formats, data sets, framing, augmentation and deterministic loaders."""

from ranvier.data import formats, sets
from ranvier.data.augment import Affine, Augmentation, Chain, Dropout, PolarityFlip
from ranvier.data.download import RemoteFile, fetch
from ranvier.data.events import Events, EventTensors
from ranvier.data.frames import CountWindows, EqualCounts, Framing, NumWindows, TimeWindows
from ranvier.data.loader import Encoded, Hold, LabelledSet, Loader, preload, same
from ranvier.data.open import Recording, open_events
from ranvier.data.places import cache_folder

__all__ = [
    "Affine",
    "Augmentation",
    "Chain",
    "CountWindows",
    "Dropout",
    "Encoded",
    "EqualCounts",
    "EventTensors",
    "Events",
    "Framing",
    "Hold",
    "LabelledSet",
    "Loader",
    "NumWindows",
    "PolarityFlip",
    "Recording",
    "RemoteFile",
    "TimeWindows",
    "cache_folder",
    "fetch",
    "formats",
    "open_events",
    "preload",
    "same",
    "sets",
]
