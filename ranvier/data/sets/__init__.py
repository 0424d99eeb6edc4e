"""Data sets, one a file: where each comes from, how it is licensed, and how it is loaded.

Each module has ``SOURCE`` (the facts) and ``load``; they load when they are first used. ``catalogue`` lists them. Two
are drawn, not recorded, and have no source: ``digits_scene`` (from digits of MNIST) and ``route``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ranvier.data.sets import catalogue, digits_scene, route
from ranvier.data.sets.pack import EventSet, ImageSet, load_events, load_images
from ranvier.data.sets.source import Source

if TYPE_CHECKING:
    from ranvier.data.sets import (
        asl_dvs,
        audio_denoise,
        braille_tactile,
        celegans,
        cifar10,
        cifar10dvs,
        cifar100,
        dailydvs200,
        dsec_det,
        dvs128_objects,
        dvs_gesture,
        dvslip,
        ecg_mitbih,
        eeg_bonn,
        emnist,
        fashion_mnist,
        fsdd,
        gen1,
        har_wisdm,
        hardvs,
        kmnist,
        mnist,
        mnist1d,
        modelnet10_voxels,
        natural_images,
        ncaltech101,
        ncars,
        neural_hippocampus,
        neural_human_mtl,
        neural_intracellular,
        neural_zebrafish_calcium,
        nmnist,
        omniglot,
        optical_flow,
        place_recognition,
        robot_speech_commands,
        shd,
        speech_commands,
        ssc,
        tables,
        timeseries,
        tiny_shakespeare,
        wikitext2,
    )

__all__ = [
    "EventSet",
    "ImageSet",
    "Source",
    "asl_dvs",
    "audio_denoise",
    "braille_tactile",
    "catalogue",
    "celegans",
    "cifar10",
    "cifar10dvs",
    "cifar100",
    "dailydvs200",
    "digits_scene",
    "dsec_det",
    "dvs128_objects",
    "dvs_gesture",
    "dvslip",
    "ecg_mitbih",
    "eeg_bonn",
    "emnist",
    "fashion_mnist",
    "fsdd",
    "gen1",
    "har_wisdm",
    "hardvs",
    "kmnist",
    "load_events",
    "load_images",
    "mnist",
    "mnist1d",
    "modelnet10_voxels",
    "natural_images",
    "ncaltech101",
    "ncars",
    "neural_hippocampus",
    "neural_human_mtl",
    "neural_intracellular",
    "neural_zebrafish_calcium",
    "nmnist",
    "omniglot",
    "optical_flow",
    "place_recognition",
    "robot_speech_commands",
    "route",
    "shd",
    "speech_commands",
    "ssc",
    "tables",
    "timeseries",
    "tiny_shakespeare",
    "wikitext2",
]


def __getattr__(name: str) -> Any:
    if name in catalogue.NAMES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
