"""SSC (Spiking Speech Commands): the 35 words of Google's Speech Commands v2 as spikes of a cochlea.

Source: Cramer, Stradmann, Schemmel and Zenke 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744.
"""

from ranvier.data.download import RemoteFile
from ranvier.data.sets.heidelberg import SpikeTrains, load_spikes
from ranvier.data.sets.source import Source, ThreeSplits, check_split

_URL = "https://zenkelab.org/datasets/"
_MD5 = {
    "train": "d102be95e7144fcc0553d1f45ba94170",
    "valid": "b4eee3516a4a90dd0c71a6ac23a8ae43",
    "test": "a35ff1e9cffdd02a20eb850c17c37748",
}
SOURCE = Source(
    name="ssc",
    title="Spiking Speech Commands (SSC)",
    kind="events",
    files=tuple(
        RemoteFile(url=f"{_URL}ssc_{part}.h5.zip", name=f"ssc_{part}.h5.zip", md5=md5) for part, md5 in _MD5.items()
    ),
    licence="CC BY 4.0",
    citation="Cramer, Stradmann, Schemmel and Zenke 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744",
    split="75,466 train, 9,981 validation, 20,382 test",
    splits=("train", "validation", "test"),
    unpacked=("ssc_*.h5",),
)
CLASSES = tuple(str(number) for number in range(35))  # the files number the words


def load(split: ThreeSplits = "train", *, download: bool = False) -> SpikeTrains:
    """Load a part: ``ssc_train.h5``, ``ssc_valid.h5`` or ``ssc_test.h5``, or the zip that holds it.

    Returns: recordings of 700 channels; all events are ON, at y = 0.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    part = {"train": "train", "validation": "valid", "test": "test"}[split]
    return load_spikes(SOURCE, f"ssc_{part}.h5", CLASSES, download=download)
