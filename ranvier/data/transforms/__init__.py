"""Transforms of events: representations as tensors, slices, smaller sensors, less noise; one a file.

Each is a frozen description that is called with events. Those that give a tensor take ``DeviceEvents`` as well.
"""

from ranvier.data.transforms.activity import STCF, BackgroundActivity, Neighbourhood
from ranvier.data.transforms.difference import Difference
from ranvier.data.transforms.hats import HATS
from ranvier.data.transforms.hot_pixels import HotPixels
from ranvier.data.transforms.integrate import Integrate
from ranvier.data.transforms.queue import EventQueue
from ranvier.data.transforms.slicing import SliceByCount, SliceByLabel, SliceByTime, Span
from ranvier.data.transforms.spike_tensor import AlphaKernel, ExponentialKernel, SpikeTensor, TriangleKernel
from ranvier.data.transforms.surface import TimeSurface
from ranvier.data.transforms.tore import TORE
from ranvier.data.transforms.voxels import Voxels

__all__ = [
    "HATS", "STCF", "TORE", "AlphaKernel", "BackgroundActivity", "Difference", "EventQueue", "ExponentialKernel",
    "HotPixels", "Integrate", "Neighbourhood", "SliceByCount", "SliceByLabel", "SliceByTime", "Span", "SpikeTensor",
    "TimeSurface", "TriangleKernel", "Voxels",
]  # fmt: skip
