"""The formats of event recordings, in the order in which they are asked: those with magic numbers first."""

from collections.abc import Mapping

from ranvier.core.errors import UnknownNameError
from ranvier.data.formats import (
    aedat2,
    aedat3,
    aedat3_streams,
    aedat4,
    aedat4_streams,
    dat,
    es,
    evt2,
    evt3,
    evt21,
    hdf5,
    nmnist_bin,
    npy,
    npz_events,
    text,
)
from ranvier.data.formats.interface import Format
from ranvier.data.formats.streams import Others

FORMATS: tuple[Format, ...] = (
    evt3.FORMAT,
    evt2.FORMAT,
    evt21.FORMAT,
    dat.FORMAT,
    aedat4.FORMAT,
    aedat3.FORMAT,
    aedat2.FORMAT,
    es.FORMAT,
    hdf5.FORMAT,
    npy.FORMAT,
    npz_events.FORMAT,
    text.FORMAT,
    nmnist_bin.FORMAT,
)

# Formats that hold frames, samples of an inertial sensor or triggers as well, by name.
OTHERS: Mapping[str, Others] = {
    aedat3.FORMAT.name: aedat3_streams.OTHERS,
    aedat4.FORMAT.name: aedat4_streams.OTHERS,
}


def by_name(name: str) -> Format:
    """Find a format by its name.

    Raises: UnknownNameError.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    raise UnknownNameError.among("event formats", name, [known.name for known in FORMATS], kind="format")
