"""CIFAR-10: 60,000 colour pictures of 10 kinds of things, 32 x 32.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

import numpy as np

from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats import cifar
from ranvier.data.sets.pack import ImageSet, image_set, load_images
from ranvier.data.sets.source import Pack, Source, Split, absent, check_split, obtain

_ARCHIVE = "cifar-10-binary.tar.gz"

SOURCE = Source(
    name="cifar10",
    title="CIFAR-10",
    files=(
        RemoteFile(
            url=f"https://www.cs.toronto.edu/~kriz/{_ARCHIVE}",
            name=_ARCHIVE,
            bytes=170_052_171,
            md5="c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
    licence="no formal licence; free for research, cite the report",
    citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    split="50,000 train (data_batch_1 to 5), 10,000 test",
    packs=(
        Pack("cifar10_train20k.npz", 46_422_583, "4949b32cf88600b1ef88b7e8295a655719337ebf3e71401953100463b50fd0e9"),
        Pack("cifar10_test.npz", 10_430_078, "ae0f285824013002e4a17f7fc8bee325ee6d783873473508b97629f4a2edfe64"),
    ),
    unpacked=("cifar-10-batches-bin/data_batch_1.bin", "data_batch_1.bin"),
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load(split: Split = "train", *, download: bool = False) -> ImageSet:
    """Load CIFAR-10 from RANVIER_DATA or the cache, else download it.

    Looked for are the official batch files, the official archive, then the packs ``cifar10_train20k.npz`` (20,000 train
    images: say so when you report an accuracy) and ``cifar10_test.npz`` (4,500: held-out train images, then the first
    1,000 of the official test set).

    Returns: images (N, 3, 32, 32) uint8, RGB, with labels.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    files = cifar.TRAIN if split == "train" else cifar.TEST
    found = [places.find(SOURCE.name, f"cifar-10-batches-bin/{name}", name) for name in files]
    if paths := [path for path in found if path is not None]:
        if len(paths) < len(files):
            raise absent(SOURCE, f"all of {', '.join(files)}")
        parts = [cifar.read(path) for path in paths]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return image_set(images, labels, CLASSES, where=str(paths[0]))
    pack = places.find(SOURCE.name, "cifar10_train20k.npz" if split == "train" else "cifar10_test.npz")
    archive = obtain(SOURCE, _ARCHIVE, download=download and pack is None)
    if archive is not None:
        return image_set(*cifar.read_archive(archive, files), CLASSES, where=str(archive))
    if pack is None:
        raise absent(SOURCE, "a pack (cifar10_*.npz)", "cifar-10-batches-bin", _ARCHIVE)
    if split == "train":
        return load_images(pack, classes=CLASSES)
    parts_of = [load_images(pack, images=f"{p}_x", labels=f"{p}_y", classes=CLASSES) for p in ("heldout", "official")]
    joined = (np.concatenate([p.images for p in parts_of]), np.concatenate([p.labels for p in parts_of]))
    return ImageSet(*joined, CLASSES)
