"""Data sets, one a file: where each comes from, how it is licensed, and how it is loaded."""

from ranvier.data.sets import cifar10, digits_scene, fashion_mnist, fsdd, mnist, nmnist
from ranvier.data.sets.pack import EventSet, ImageSet, load_events, load_images
from ranvier.data.sets.source import Source

__all__ = [
    "EventSet",
    "ImageSet",
    "Source",
    "cifar10",
    "digits_scene",
    "fashion_mnist",
    "fsdd",
    "load_events",
    "load_images",
    "mnist",
    "nmnist",
]
