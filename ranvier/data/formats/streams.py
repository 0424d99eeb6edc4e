"""What recordings hold besides pixel events: frames, samples of an inertial sensor, triggers.

Letters: N samples, H W space, C channels.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.faults import Fault


class Frame(NamedTuple):
    """One image of the camera."""

    t: int  # us, as the file dates it
    start: int  # us, of the exposure; both are ``t`` where the file does not tell
    stop: int
    image: NDArray[Any]  # (H, W), or (H, W, C) in the order of the file; uint8 or uint16
    x: int  # where on the sensor its first pixel lies
    y: int


class Imu(NamedTuple):
    """Samples of an inertial sensor, by time as the file has them; what it does not measure is NaN."""

    t: NDArray[np.int64]  # (N,) us
    acceleration_N3: NDArray[np.float32]  # g
    rotation_N3: NDArray[np.float32]  # degrees a second
    field_N3: NDArray[np.float32]  # uT
    temperature_N: NDArray[np.float32]  # degrees Celsius


class Triggers(NamedTuple):
    """Signals from outside and of the camera itself, by time as the file has them."""

    t: NDArray[np.int64]  # (N,) us
    kind_N: NDArray[np.int16]  # the file's own number
    names: Mapping[int, str]  # what the known numbers mean


Found = Frame | Imu | Triggers | Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """How a format's other streams are read: ``walk(path)`` gives them packet by packet, and what is broken."""

    walk: Callable[[Path], Iterator[Found]]
    names: Mapping[int, str]  # of the kinds of trigger


def join_imu(parts: list[Imu]) -> Imu:
    """Join packets."""
    empty = np.zeros((0, 3), np.float32)
    none = Imu(np.zeros(0, np.int64), empty, empty, empty, np.zeros(0, np.float32))
    whole = [none, *parts]
    return Imu(*(np.concatenate([part[column] for part in whole]) for column in range(5)))


def join_triggers(parts: list[Triggers], names: Mapping[int, str]) -> Triggers:
    """Join packets."""
    t = np.concatenate([np.zeros(0, np.int64), *(part.t for part in parts)])
    return Triggers(t, np.concatenate([np.zeros(0, np.int16), *(part.kind_N for part in parts)]), names)
