"""EMNIST: handwritten letters and digits of NIST's Special Database 19, 28 x 28 grey, in six parts.

Source: Cohen, Afshar, Tapson and van Schaik 2017, arXiv:1702.05373.
"""

import string
from typing import Literal

import numpy as np

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.download import RemoteFile
from ranvier.data.formats import archive, idx
from ranvier.data.sets.pack import ImageSet, image_set
from ranvier.data.sets.source import Source, Split, absent, check_split, obtain

_ARCHIVE = "gzip.zip"
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"  # small letters that look unlike their capitals
Part = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]
CLASSES: dict[str, str] = {
    "byclass": string.digits + string.ascii_uppercase + string.ascii_lowercase,
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": string.ascii_lowercase,
    "digits": string.digits,
    "mnist": string.digits,
}
_MAX_BYTES = 4 << 30
SOURCE = Source(
    name="emnist",
    title="EMNIST",
    files=(
        RemoteFile(
            url="https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
            name=_ARCHIVE,
            md5="58c8d27c78d21e728a6bc7b3cc06412e",
        ),
    ),
    licence="none stated; work of the US government (NIST)",
    citation="Cohen, Afshar, Tapson and van Schaik 2017, arXiv:1702.05373",
    split="the publisher's, for each of six parts",
    unpacked=("gzip/emnist-*-images-idx3-ubyte.gz",),
)


def load(split: Split = "train", *, part: Part = "balanced", download: bool = False) -> ImageSet:
    """Load a part from ``gzip.zip`` or the folder ``gzip`` in RANVIER_DATA or the cache, else download it.

    The files hold their images transposed; here they stand upright. Labels of "letters" start from 0 for "a".

    Returns: images (N, 1, 28, 28) uint8 with labels.
    Raises: ConfigError for an unknown part; DataError if it is nowhere and ``download`` is False; FormatError.
    """
    check_split(SOURCE, split)
    if part not in CLASSES:
        raise ConfigError("emnist", expected=f"a part: {', '.join(CLASSES)}", got=repr(part))
    prefix = f"gzip/emnist-{part}-{split}"
    names = (f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz")
    folder = [obtain(SOURCE, name, download=False) for name in names]
    if folder[0] is not None and folder[1] is not None:
        where, images, labels = str(folder[0]), idx.read(folder[0], axes=3), idx.read(folder[1], axes=1)
    else:
        packed = obtain(SOURCE, _ARCHIVE, download=download)
        if packed is None:
            raise absent(SOURCE, names[0], _ARCHIVE)
        entries = archive.directory(packed, max_bytes=_MAX_BYTES)
        if missing := [name for name in names if name not in entries]:
            raise FormatError(str(packed), expected="the members " + ", ".join(names), got="none named " + missing[0])
        where = f"{packed}: member {names[0]!r}"
        raw = [bytes(archive.read(packed, entries[name])) for name in names]
        images, labels = (
            idx.parse(r, axes=a, where=f"{packed}: {n}") for r, a, n in zip(raw, (3, 1), names, strict=True)
        )
    upright = np.ascontiguousarray(images.transpose(0, 2, 1))
    return image_set(upright, labels.astype(np.int64) - (part == "letters"), tuple(CLASSES[part]), where=where)
