"""Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 grey, in the layout of MNIST.

Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
"""

from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.sets.mnist import from_idx
from ranvier.data.sets.pack import ImageSet, load_images
from ranvier.data.sets.source import Pack, Source, Split, check_split

_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"

SOURCE = Source(
    name="fashion_mnist",
    title="Fashion-MNIST",
    files=(
        RemoteFile(
            url=_URL + "train-images-idx3-ubyte.gz",
            name="train-images-idx3-ubyte.gz",
            bytes=26_421_880,
            md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        ),
        RemoteFile(
            url=_URL + "train-labels-idx1-ubyte.gz",
            name="train-labels-idx1-ubyte.gz",
            bytes=29_515,
            md5="25c81989df183df01b3e8a0aad5dffbe",
        ),
        RemoteFile(
            url=_URL + "t10k-images-idx3-ubyte.gz",
            name="t10k-images-idx3-ubyte.gz",
            bytes=4_422_102,
            md5="bef4ecab320f06d8554ea6380940ec79",
        ),
        RemoteFile(
            url=_URL + "t10k-labels-idx1-ubyte.gz",
            name="t10k-labels-idx1-ubyte.gz",
            bytes=5_148,
            md5="bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    licence="MIT",
    citation="Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747",
    split="60,000 train, 10,000 test",
    packs=(
        Pack("fashion_mnist_subset.npz", 704_131, "79790079c67ea8260ffc7da78d439ed259f5b20539b480c1be88f2e41231809b"),
    ),
    unpacked=("fashion_mnist.npz",),
)
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SUBSET = "fashion_mnist_subset.npz"  # 1,000 train and 850 test images; accuracies on it compare with nothing published


def load(split: Split = "train", *, download: bool = False) -> ImageSet:
    """Load Fashion-MNIST from RANVIER_DATA or the cache, else download it.

    Looked for are the pack ``fashion_mnist.npz``, the official files, then the small pack ``fashion_mnist_subset.npz``.

    Returns: images (N, 1, 28, 28) uint8 with labels.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    official = ("train" if split == "train" else "t10k") + "-images-idx3-ubyte"
    packs = ("fashion_mnist.npz",) if places.find(SOURCE.name, official + ".gz", official) or download else (
        "fashion_mnist.npz", SUBSET
    )  # fmt: skip
    if (path := places.find(SOURCE.name, *packs)) is not None:
        return load_images(path, images=f"{split}_x", labels=f"{split}_y", classes=CLASSES)
    return from_idx(SOURCE, split, CLASSES, download=download)
