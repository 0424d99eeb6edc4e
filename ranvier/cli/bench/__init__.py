"""``ranvier bench``: workloads of the field, ours beside the peers that are installed, one file a workload."""

from ranvier.cli.bench.command import bench

__all__ = ["bench"]
