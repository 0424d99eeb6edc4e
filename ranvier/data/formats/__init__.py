"""Readers and writers, one format a file; each trusts nothing that a file declares."""

from ranvier.data.formats import archive, cifar, idx, nmnist_bin, npz, packed, tar, wav

__all__ = ["archive", "cifar", "idx", "nmnist_bin", "npz", "packed", "tar", "wav"]
