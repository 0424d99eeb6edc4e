"""A run folder: what was asked for, on what it ran, how it went, and from where it can go on.

config.json        name and configuration; its presence makes the folder a run
environment.json   versions, processor, commit, command, seed
metrics.jsonl      one line of figures a step that was logged
checkpoints/       step-000000123/ ...
results.json       written once the run is finished
report.html
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ranvier.core.errors import CheckpointError, FormatError, RunError
from ranvier.runs.checkpoint import Tree
from ranvier.runs.checkpoints import Checkpoints, Found
from ranvier.runs.environment import describe
from ranvier.runs.files import disk, plain, render, write_whole
from ranvier.runs.metrics import Figure, Metrics

_MOST_THREADS = 1024  # more would be a broken file


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder, made by ``Run.create`` or found by ``Run.open``.

    Args: folder: its place. name: what is run, such as the name of a system. config: as plain values. keep: how many
        checkpoints stay.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    keep: int = 3

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        name: str,
        config: Any,
        command: Sequence[str] = (),
        seed: int | None = None,
        keep: int = 3,
    ) -> Self:
        """Make a run folder with its config and environment.

        Args: folder: absent or without a run. config: a dataclass or mapping of plain values.
        Raises: RunError if it holds a run already or cannot be written; ConfigError if the config is not plain.
        """
        values = plain(config)
        if (folder / "config.json").exists():
            raise RunError(
                str(folder),
                expected="a folder without a run",
                got=f"the run {cls.open(folder).name!r}",
                mend="Resume it, or choose another folder.",
            )
        environment = describe(command=command, seed=seed)
        with disk(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / "environment.json", render(environment))
            write_whole(folder / "config.json", render({"name": name, "config": values}))
        return cls(folder=folder, name=name, config=values, keep=keep)

    @classmethod
    def open(cls, folder: Path, *, keep: int = 3) -> Self:
        """Open a run folder.

        Raises: RunError if it is none; FormatError if its config is broken.
        """
        path = folder / "config.json"
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            mend = "Name a folder that `ranvier run` made."
            raise RunError(str(folder), expected="a run folder", got="no config.json in it", mend=mend) from None
        except (ValueError, RecursionError) as error:
            raise FormatError(str(path), expected="a JSON object", got=str(error)) from error
        except OSError as error:
            raise RunError(str(path), expected="a readable file", got=str(error.strerror)) from error
        name, config = (content.get("name"), content.get("config")) if isinstance(content, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(config, dict):
            raise FormatError(str(path), expected='an object with "name" and "config"', got=str(content)[:80])
        return cls(folder=folder, name=name, config=config, keep=keep)

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this run."""
        return Checkpoints(self.folder / "checkpoints", keep=self.keep)

    @property
    def finished(self) -> bool:
        """Whether the results have been written."""
        return (self.folder / "results.json").exists()

    @property
    def num_threads(self) -> int | None:
        """With how many threads of torch the run began; None if its environment does not say.

        Sums are split among threads, so another number gives other last bits.
        """
        try:
            environment = json.loads((self.folder / "environment.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        number = environment.get("num_threads") if isinstance(environment, dict) else None
        return number if type(number) is int and 1 <= number <= _MOST_THREADS else None

    def log(self, *, step: int, **figures: Figure) -> None:
        """Append a line of figures and the time (s since 1970) to the metrics; figures may nest (one a layer)."""
        Metrics(self.folder / "metrics.jsonl").append({"step": step, "time": round(time.time(), 3), **figures})

    def metrics(self) -> list[dict[str, Any]]:
        """Read the figures logged so far."""
        return Metrics(self.folder / "metrics.jsonl").rows()

    def save(self, step: int, tree: Tree) -> Path:
        """Write a checkpoint, which remembers how far the metrics went. Returns: its folder."""
        metrics = Metrics(self.folder / "metrics.jsonl")
        return self.checkpoints.save(step, {"metrics_bytes": metrics.size(), "tree": tree})

    def newest(self) -> Found | None:
        """Find the newest complete checkpoint; ``found.refused`` says why newer ones were passed over."""
        found = self.checkpoints.newest()
        return found and _unwrapped(found)[0]

    def resume(self) -> Found | None:
        """Find the newest complete checkpoint and cut the metrics back to where they were when it was taken."""
        found = self.checkpoints.newest()
        inner, size = _unwrapped(found) if found else (None, 0)
        Metrics(self.folder / "metrics.jsonl").cut(size)
        return inner


def _unwrapped(found: Found) -> tuple[Found, int]:
    tree = found.checkpoint.tree
    if not isinstance(tree, dict) or type(tree.get("metrics_bytes")) is not int or "tree" not in tree:
        raise CheckpointError(str(found.path), expected="a checkpoint of a run", got="another program's")
    return replace(found, checkpoint=replace(found.checkpoint, tree=tree["tree"])), tree["metrics_bytes"]
