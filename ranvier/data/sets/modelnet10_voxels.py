"""ModelNet10, chairs and monitors only, as occupied cells of 32 x 32 x 32.

Source: Wu et al. 2015, CVPR, "3D ShapeNets".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "modelnet10_chair_monitor.npz"
CLASSES = ("chair", "monitor")
SIDE = 32
SOURCE = Source(
    name="modelnet10_voxels",
    title="ModelNet10 (chair and monitor), voxels",
    kind="voxels",
    licence="none stated; ModelNet: research use",
    citation="Wu et al. 2015, CVPR, 3D ShapeNets",
    split="none official; 1,016 train, 204 test (drawn once)",
    packs=(Pack(PACK, 192_974, "294a588a254a5796cd833b933edae7f604eb5989619296116536ded9813c7963"),),
    by_hand=pack_of("SomTambe/ModelNet10-dataset", "4d0b73133b"),
)


@dataclass(frozen=True, slots=True, eq=False)
class VoxelSet:
    """Bodies, a bit a cell; sample i is (occupancy (1, 32, 32, 32) uint8, label)."""

    bits: NDArray[np.uint8]  # (N, 4096)
    labels: NDArray[np.int64]  # (N,)
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        cells = np.unpackbits(self.bits[index]).reshape(1, SIDE, SIDE, SIDE)
        return torch.from_numpy(cells), int(self.labels[index])

    def take(self, indices: NDArray[Any]) -> "VoxelSet":
        """Choose bodies."""
        return VoxelSet(self.bits[indices], self.labels[indices], self.classes)


def load(split: Split = "train") -> VoxelSet:
    """Load a part.

    Two chairs of the published train part have no occupied cell.
    Pack: ``train_chair``, ``train_monitor`` (N, 4096) uint8 as ``numpy.packbits`` gives, the same for test.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    parts = list(arrays.read(path, {f"{split}_{name}": ("u", 2) for name in CLASSES}).values())
    if any(part.dtype != np.uint8 or part.shape[1] != SIDE**3 // 8 for part in parts):
        raise FormatError(str(path), expected=f"uint8 (N, {SIDE**3 // 8})", got=str([part.shape for part in parts]))
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return VoxelSet(np.concatenate(parts), labels)
