"""MNIST: 70,000 handwritten digits, 28 x 28 grey.

Source: LeCun, Bottou, Bengio and Haffner 1998, Proc. IEEE 86:2278.
"""

from pathlib import Path

from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats import idx
from ranvier.data.sets.pack import ImageSet, image_set, load_images
from ranvier.data.sets.source import Pack, Source, Split, absent, check_split, obtain

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"  # the mirror of the authors' files that speaks https

SOURCE = Source(
    name="mnist",
    title="MNIST",
    files=(
        RemoteFile(
            url=_URL + "train-images-idx3-ubyte.gz",
            name="train-images-idx3-ubyte.gz",
            bytes=9_912_422,
            sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        RemoteFile(
            url=_URL + "train-labels-idx1-ubyte.gz",
            name="train-labels-idx1-ubyte.gz",
            bytes=28_881,
            sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        RemoteFile(
            url=_URL + "t10k-images-idx3-ubyte.gz",
            name="t10k-images-idx3-ubyte.gz",
            bytes=1_648_877,
            sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        RemoteFile(
            url=_URL + "t10k-labels-idx1-ubyte.gz",
            name="t10k-labels-idx1-ubyte.gz",
            bytes=4_542,
            sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    licence="CC BY-SA 3.0, as commonly given",
    citation="LeCun, Bottou, Bengio and Haffner 1998, Proc. IEEE 86:2278",
    split="60,000 train, 10,000 test",
    packs=(Pack("mnist.npz", 9_477_731, "7c521c8f554fdb6f7a2aed911e2f4938c4d648fd1ce74296616253cddef39495"),),
)
CLASSES = tuple("0123456789")


def load(split: Split = "train", *, download: bool = False) -> ImageSet:
    """Load MNIST from RANVIER_DATA or the cache (``mnist/mnist.npz`` or the official files), else download it.

    Returns: images (N, 1, 28, 28) uint8 with labels.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    if (path := places.find(SOURCE.name, "mnist.npz")) is not None:
        return load_images(path, images=f"{split}_x", labels=f"{split}_y", classes=CLASSES)
    return from_idx(SOURCE, split, CLASSES, download=download)


def from_idx(source: Source, split: Split, classes: tuple[str, ...], *, download: bool) -> ImageSet:
    """Load a set of the MNIST layout from its official files; the errors are those of ``load``."""
    prefix = {"train": "train", "test": "t10k"}[split]
    wanted = (f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz")
    paths: list[Path] = []
    for name in wanted:
        path = obtain(source, name, download=download)
        if path is None:
            raise absent(source, f"a pack (*.npz) or {', '.join(wanted)}")
        paths.append(path)
    return image_set(idx.read(paths[0], axes=3), idx.read(paths[1], axes=1), classes, where=str(paths[0]))
