"""Augmentation of events and images: frozen descriptions, called with a generator that decides everything."""

from ranvier.data.augment.affine import Affine
from ranvier.data.augment.crop import Crop
from ranvier.data.augment.drop import DropArea, DropTime
from ranvier.data.augment.dropout import Dropout
from ranvier.data.augment.flip import Flip, TimeFlip
from ranvier.data.augment.images import ImageAugment
from ranvier.data.augment.jitter import TimeJitter
from ranvier.data.augment.mix import Mix, Mixed, merge
from ranvier.data.augment.mix_images import MixImages, Mixing
from ranvier.data.augment.parts import Augmentation, Chain, OneOf
from ranvier.data.augment.polarity import PolarityFlip

__all__ = [
    "Affine", "Augmentation", "Chain", "Crop", "DropArea", "DropTime", "Dropout", "Flip", "ImageAugment", "Mix",
    "MixImages", "Mixed", "Mixing", "OneOf", "PolarityFlip", "TimeFlip", "TimeJitter", "merge",
]  # fmt: skip
