"""Readers and writers, one format a file; each trusts nothing that a file declares.

Formats of event recordings share one interface (``interface.py``) and are listed in ``registry.py``;
``ranvier.data.open_events`` opens any of them.
"""

from ranvier.data.formats import (
    aedat2,
    aedat3,
    aedat4,
    archive,
    cifar,
    dat,
    es,
    es_streams,
    evt2,
    evt3,
    evt21,
    hdf5,
    idx,
    mat,
    nmnist_bin,
    npy,
    npz,
    npz_events,
    packed,
    records,
    tar,
    text,
    wav,
    wfdb,
)
from ranvier.data.formats.faults import Fault, Report
from ranvier.data.formats.interface import Format
from ranvier.data.formats.registry import FORMATS
from ranvier.data.formats.streams import Frame, Imu, Triggers

__all__ = [
    "FORMATS",
    "Fault",
    "Format",
    "Frame",
    "Imu",
    "Report",
    "Triggers",
    "aedat2",
    "aedat3",
    "aedat4",
    "archive",
    "cifar",
    "dat",
    "es",
    "es_streams",
    "evt2",
    "evt3",
    "evt21",
    "hdf5",
    "idx",
    "mat",
    "nmnist_bin",
    "npy",
    "npz",
    "npz_events",
    "packed",
    "records",
    "tar",
    "text",
    "wav",
    "wfdb",
]
