"""Make the embedded sample ``ranvier/data/sample/nmnist_{train,test}.npz`` from the N-MNIST packs of RANVIER_DATA.

All 100 test recordings and as many train recordings as fit into 6,000,000 bytes, the same number of each class, drawn
by seed. Run it from the root of the repository: ``RANVIER_DATA=... python tools/make_sample.py``.
"""

import io
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.seeds import numpy_generator
from ranvier.data.formats import npz, packed

LIMIT = 6_000_000
SEED = 2015
FOLDER = Path("ranvier/data/sample")
Pack = dict[str, NDArray[np.generic]]


def main() -> None:
    """Write both files and print what they hold."""
    source = Path(os.environ["RANVIER_DATA"]) / "nmnist"
    test = squeezed(npz.read(source / "nmnist_test100.npz"))
    everything = npz.read(source / "nmnist_train900.npz")
    low, high = 1, int(np.bincount(everything["labels"]).min())
    while low < high:  # the most recordings of each class that fit
        middle = (low + high + 1) // 2
        fits = len(squeezed(drawn(everything, middle))) + len(test) <= LIMIT
        low, high = (middle, high) if fits else (low, middle - 1)
    train = squeezed(drawn(everything, low))
    (FOLDER / "nmnist_train.npz").write_bytes(train)
    (FOLDER / "nmnist_test.npz").write_bytes(test)
    sys.stdout.write(f"{low} train recordings of each class, {len(train)} + {len(test)} bytes\n")


def drawn(pack: Pack, per_class: int) -> Pack:
    """Draw ``per_class`` recordings of each class; a larger draw contains the smaller one."""
    order = numpy_generator(SEED, "sample").permutation(len(pack["labels"]))
    chosen = np.sort(np.concatenate([order[pack["labels"][order] == label][:per_class] for label in range(10)]))
    parts = [slice(pack["offsets"][i], pack["offsets"][i + 1]) for i in chosen]
    columns = {name: np.concatenate([pack[name][part] for part in parts]) for name in "xypt"}
    offsets = np.cumsum([0] + [part.stop - part.start for part in parts])
    return {**columns, "offsets": offsets, "labels": pack["labels"][chosen], "ids": pack["ids"][chosen]}


def squeezed(pack: Pack) -> bytes:
    """Give the bytes of a packed file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:  # np.savez would write today's date
        for name, column in packed.encode(pack, size=(34, 34)).items():
            member = io.BytesIO()
            np.save(member, column, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


if __name__ == "__main__":
    main()
