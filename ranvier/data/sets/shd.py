"""SHD (Spiking Heidelberg Digits): spoken digits in German and English as spikes of a cochlea.

Source: Cramer, Stradmann, Schemmel and Zenke 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744.
"""

from ranvier.data.download import RemoteFile
from ranvier.data.sets.heidelberg import SpikeTrains, load_spikes
from ranvier.data.sets.source import Source, Split, check_split

_URL = "https://zenkelab.org/datasets/"
SOURCE = Source(
    name="shd",
    title="Spiking Heidelberg Digits (SHD)",
    kind="events",
    files=(
        RemoteFile(url=_URL + "shd_train.h5.zip", name="shd_train.h5.zip", md5="f3252aeb598ac776c1b526422d90eecb"),
        RemoteFile(url=_URL + "shd_test.h5.zip", name="shd_test.h5.zip", md5="1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    licence="CC BY 4.0",
    citation="Cramer, Stradmann, Schemmel and Zenke 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744",
    split="8,156 train, 2,264 test; two of 12 speakers are in test alone",
    unpacked=("shd_*.h5",),
)
CLASSES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun"),
)


def load(split: Split = "train", *, download: bool = False) -> SpikeTrains:
    """Load a part: ``shd_train.h5`` or ``shd_test.h5``, or the zip that holds it.

    Returns: recordings of 700 channels; all events are ON, at y = 0.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    return load_spikes(SOURCE, f"shd_{split}.h5", CLASSES, download=download)
