"""Run folders: configuration, environment, metrics, checkpoints; what can be resumed and compared."""

from ranvier.runs.checkpoint import Checkpoint
from ranvier.runs.checkpoints import Checkpoints, Found
from ranvier.runs.index import Entry, list_runs
from ranvier.runs.run import Run

__all__ = ["Checkpoint", "Checkpoints", "Entry", "Found", "Run", "list_runs"]
