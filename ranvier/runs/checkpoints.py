"""The checkpoints of one run: the newest complete one wins, broken ones are reported, old ones are dropped."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ranvier.core.errors import CheckpointError, ConfigError, RunError
from ranvier.runs import checkpoint
from ranvier.runs.checkpoint import Checkpoint, Tree
from ranvier.runs.files import disk, sync_folder

_NAME = re.compile(r"step-(\d{9,})(\.old)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The newest complete checkpoint, and why each newer one was refused."""

    checkpoint: Checkpoint
    path: Path
    refused: tuple[CheckpointError, ...] = ()


class Checkpoints:
    """The folder ``checkpoints/`` of a run: ``step-000000123/`` and so on.

    Args: folder: need not exist yet. keep: how many stay.
    """

    def __init__(self, folder: Path, *, keep: int = 3) -> None:
        if keep < 1:
            raise ConfigError("Checkpoints.keep", expected="at least 1", got=str(keep))
        self.folder = folder
        self.keep = keep

    def save(self, step: int, tree: Tree) -> Path:
        """Write the checkpoint of a step; at no instant is there less to resume from than before.

        Broken checkpoints of later steps, which a resume has passed over, are dropped.

        Returns: its folder.
        Raises: RunError if the disk refuses, or if a complete checkpoint of a later step would be lost.
        """
        path = self.folder / f"step-{step:09d}"
        with disk(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._drop_broken_after(step)
            self._set_aside(path)
        checkpoint.write(path, step, tree)
        with disk(str(self.folder)):
            self._prune()
        return path

    def newest(self) -> Found | None:
        """Find the newest complete checkpoint.

        Returns: None if none was ever completed.
        Raises: CheckpointError if there are some, but none is complete: starting anew would hide the loss.
        """
        refused: list[CheckpointError] = []
        for path in reversed(self._paths()):
            try:
                return Found(checkpoint=_read(path), path=path, refused=tuple(refused))
            except CheckpointError as error:
                refused.append(error)
        if refused:
            raise CheckpointError(
                str(self.folder),
                expected="at least one complete checkpoint",
                got="; ".join(map(str, refused)),
                mend="Restore one from a copy, or delete the folder to start anew.",
            )
        return None

    def _paths(self) -> list[Path]:
        """List the checkpoints, oldest first; of one step, the one set aside comes before its successor."""
        if not self.folder.is_dir():
            return []
        paths = list(self.folder.iterdir())
        found = [(int(m[1]), m[2] is None, path) for path in paths if (m := _NAME.fullmatch(path.name))]
        return [path for _, _, path in sorted(found)]

    def _sweep(self) -> None:
        """Remove what a killed process left half written."""
        for path in self.folder.glob(".step-*.partial"):
            shutil.rmtree(path, ignore_errors=True)

    def _drop_broken_after(self, step: int) -> None:
        for path in self._paths():
            if _step(path) <= step:
                continue
            try:
                _read(path)
            except CheckpointError:
                shutil.rmtree(path)
            else:
                raise RunError(
                    str(path),
                    expected=f"no complete checkpoint after step {step}, which is to be saved",
                    got="one that would be lost",
                    mend="Resume from the newest one, or delete the later ones.",
                )

    def _set_aside(self, path: Path) -> None:
        """Free the name for a second save at the same step; the first stays readable until the second is complete."""
        if not path.exists():
            return
        try:
            _read(path)
        except CheckpointError:
            shutil.rmtree(path)
            return
        aside = path.with_name(f"{path.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        sync_folder(self.folder)

    def _prune(self) -> None:
        for aside in self.folder.glob("step-*.old"):  # a complete, newer one has just been written
            shutil.rmtree(aside)
        for path in self._paths()[: -self.keep]:
            shutil.rmtree(path)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-").removesuffix(".old"))


def _read(path: Path) -> Checkpoint:
    found = checkpoint.read(path)
    if found.step != _step(path):
        raise CheckpointError(
            str(path / checkpoint.MANIFEST),
            expected=f"the manifest of step {_step(path)}",
            got=f"that of step {found.step}",
            mend="The folder was renamed: give it its name back.",
        )
    return found
