"""KMNIST (Kuzushiji-MNIST): 70,000 cursive Japanese characters of 10 kinds, 28 x 28 grey, in the layout of MNIST.

Source: Clanuwat et al. 2018, arXiv:1812.01718.
"""

from ranvier.data.download import RemoteFile
from ranvier.data.sets.mnist import from_idx
from ranvier.data.sets.pack import ImageSet
from ranvier.data.sets.source import Source, Split, check_split

_PAGE = "https://github.com/rois-codh/kmnist"
_MD5 = {
    "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
    "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
    "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
    "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
}
SOURCE = Source(
    name="kmnist",
    title="KMNIST",
    files=tuple(RemoteFile(url=_PAGE, name=name, md5=md5) for name, md5 in _MD5.items()),
    licence="CC BY-SA 4.0",
    citation="Clanuwat et al. 2018, arXiv:1812.01718",
    split="60,000 train, 10,000 test",
    by_hand=f"Its known address is plain http, which is not fetched from; see {_PAGE}.",
)
CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def load(split: Split = "train", *, download: bool = False) -> ImageSet:
    """Load KMNIST from the four official files in RANVIER_DATA or the cache.

    Returns: images (N, 1, 28, 28) uint8 with labels.
    Raises: DataError if it is nowhere; FormatError for broken files.
    """
    check_split(SOURCE, split)
    return from_idx(SOURCE, split, CLASSES, download=download)
