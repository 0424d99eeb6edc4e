"""What a check is made of: a system's claim or its control, from one seed; and what was measured already."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ranvier
from ranvier.cli.files import write_json

if TYPE_CHECKING:
    from ranvier.core.claim import Claim

Scale = Literal["fast", "full"]
Side = Literal["claim", "control"]
SIDES: tuple[Side, Side] = ("claim", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One measurement: ``claim.measure`` of one side, at one scale, from one seed.

    Args: module: the one whose ``SYSTEM`` is measured, so that another process can find it.
    """

    system: str
    module: str
    scale: Scale
    side: Side
    seed: int

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.system}, {self.side}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a task came to.

    Args: figures: by name; empty if there are none. seconds: of processor time that it took. kept: whether an earlier
        check measured it. absent: what was missing, such as a data set. error: what went wrong.
    """

    figures: Mapping[str, float]
    seconds: float = 0.0
    kept: bool = False
    absent: str = ""
    error: str = ""


def sized(claim: "Claim", scale: Scale) -> "Claim":
    """Return the claim at a scale: whole, or as small as continuous integration needs it."""
    from dataclasses import replace

    if scale == "full" or claim.fast is None:
        return claim
    fast = claim.fast
    return replace(claim, config=fast.config, control=fast.control, passes=fast.passes, minutes=fast.minutes)


def seeds(claim: "Claim", scale: Scale) -> tuple[int, ...]:
    """Return the seeds that a scale asks for: all, or the first."""
    return claim.seeds if scale == "full" else claim.seeds[:1]


def tasks(name: str, module: str, claim: "Claim", scale: Scale) -> Iterator[Task]:
    """Yield the measurements of a claim, the claim and its control in turns."""
    for seed in seeds(claim, scale):
        for side in SIDES:
            yield Task(system=name, module=module, scale=scale, side=side, seed=seed)


@dataclass(frozen=True, slots=True)
class Kept:
    """Measurements that earlier checks left in a folder, so that one that was stopped can go on.

    A measurement counts only for the same configuration, the same source files and the same torch.
    """

    folder: Path

    def get(self, task: Task, config: Any) -> Measurement | None:
        """Return what was measured, or None."""
        try:
            found = json.loads(self._path(task).read_text(encoding="utf-8"))
            if found["fingerprint"] != fingerprint(task, config):
                return None
            figures = {str(name): float(value) for name, value in found["figures"].items()}
            return Measurement(figures=figures, seconds=float(found["seconds"]), kept=True)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # absent or damaged: it is measured again

    def put(self, task: Task, config: Any, measurement: Measurement) -> None:
        """Keep a measurement. Raises: RunError if the folder cannot be written."""
        kept = {
            "task": asdict(task),
            "fingerprint": fingerprint(task, config),
            "figures": dict(measurement.figures),
            "seconds": measurement.seconds,
        }
        write_json(self._path(task), kept)

    def _path(self, task: Task) -> Path:
        return self.folder / task.system / f"{task.scale}-{task.side}-{task.seed}.json"


def fingerprint(task: Task, config: Any) -> str:
    """Return a digest of everything that a measurement depends on."""
    import torch

    from ranvier.systems.config import to_plain

    what = [asdict(task), to_plain(config), torch.__version__, os.environ.get("RANVIER_DATA", ""), _sources()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


@cache
def _sources() -> str:
    home = Path(ranvier.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*home.rglob("*.py"), *home.rglob("*.so")]):
        digest.update(f"{path.relative_to(home)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
