"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people, 105 x 105, for one-shot learning.

Source: Lake, Salakhutdinov and Tenenbaum 2015, Science 350:1332.
"""

import io
import re
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats import archive
from ranvier.data.sets import arrays
from ranvier.data.sets.pack import ImageSet, image_set
from ranvier.data.sets.source import Pack, Source, Split, absent, check_split, obtain

PACK = "omniglot_small1.npz"
SIDE = 105
_URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
_ARCHIVES = {"train": "images_background.zip", "test": "images_evaluation.zip"}
_MEMBER = re.compile(r"images_(?:background|evaluation)/([^/]+)/(character[0-9]{2})/[0-9]{4}_([0-9]{2})\.png")
_MAX_DIRECTORY, _MAX_BYTES, _MAX_PNG = 16 << 20, 1 << 30, 1 << 16
SOURCE = Source(
    name="omniglot",
    title="Omniglot",
    files=(
        RemoteFile(url=_URL + _ARCHIVES["train"], name=_ARCHIVES["train"], md5="68d2efa1b9178cc56df9314c21c6e718"),
        RemoteFile(url=_URL + _ARCHIVES["test"], name=_ARCHIVES["test"], md5="6b91aef0f799c5bb55b94e3f2daec811"),
    ),
    licence="MIT",
    citation="Lake, Salakhutdinov and Tenenbaum 2015, Science 350:1332",
    split="30 background alphabets train, 20 evaluation alphabets test",
    packs=(Pack(PACK, 275_291, "203acdbc152df50de2fd8dda0529813fd866a4c0121e524d2dc71756e8ff3b76"),),
    unpacked=("images_background.zip", "images_evaluation.zip"),
)


def load(split: Split = "train", *, download: bool = False) -> ImageSet:
    """Load the background ("train") or evaluation ("test") alphabets, else download them.

    Looked for are the official archives; for "train" then the pack ``omniglot_small1.npz``, the small background set of
    136 characters. Test characters are others than train characters: tasks are made within a split.
    Pack: ``bits`` (N, 1379) uint8, ``labels``, ``class_names``, ``image_shape``.

    Returns: images (N, 1, 105, 105) uint8, 1 where there is ink, by character and then by the person who drew it, with
        characters ("Latin/character01") as labels.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    pack = places.find(SOURCE.name, PACK) if split == "train" else None
    path = obtain(SOURCE, _ARCHIVES[split], download=download and pack is None)
    if path is not None:
        return _from_zip(path)
    if pack is None:
        raise absent(SOURCE, _ARCHIVES[split], *([PACK] if split == "train" else []))
    wanted = {"bits": ("u", 2), "labels": (arrays.INTEGERS, 1), "class_names": (arrays.TEXT, 1)}
    bits, labels, names = arrays.read(pack, wanted).values()
    if bits.dtype != np.uint8 or bits.shape[1] != -(-SIDE * SIDE // 8):
        raise FormatError(f"{pack}: bits", expected=f"{SIDE} x {SIDE} bits an image", got=f"{bits.dtype} {bits.shape}")
    images = np.unpackbits(bits, axis=1, count=SIDE * SIDE).reshape(-1, SIDE, SIDE)
    return image_set(images, labels, arrays.words(names), where=str(pack))


def _from_zip(path: Path) -> ImageSet:
    entries = archive.directory(path, max_directory=_MAX_DIRECTORY, max_bytes=_MAX_BYTES)
    found = {match.groups(): entry for name, entry in entries.items() if (match := _MEMBER.fullmatch(name))}
    if not found:
        expected = "members such as images_background/Latin/character01/0709_01.png"
        raise FormatError(str(path), expected=expected, got=f"{len(entries)} others")
    names = sorted({f"{alphabet}/{character}" for alphabet, character, _ in found})
    number = {name: index for index, name in enumerate(names)}
    chosen = sorted(found)
    images = np.stack([_ink(path, found[parts]) for parts in chosen])
    labels = np.array([number[f"{alphabet}/{character}"] for alphabet, character, _ in chosen], np.int64)
    return image_set(images, labels, tuple(names), where=str(path))


def _ink(path: Path, entry: zipfile.ZipInfo) -> NDArray[np.uint8]:
    where = f"{path}: member {entry.filename!r}"
    if entry.file_size > _MAX_PNG:
        raise FormatError(where, expected=f"a drawing of at most {_MAX_PNG} bytes", got=str(entry.file_size))
    image = import_module("PIL.Image")  # comes with matplotlib
    try:
        with image.open(io.BytesIO(archive.read(path, entry)), formats=["PNG"]) as drawing:
            if drawing.size != (SIDE, SIDE):
                raise FormatError(where, expected=f"{SIDE} x {SIDE} pixels", got=str(drawing.size))
            return (np.asarray(drawing.convert("L")) < 128).astype(np.uint8)
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(where, expected="a PNG image", got=str(error)[:100] or type(error).__name__) from error
