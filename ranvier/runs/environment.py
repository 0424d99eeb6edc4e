"""What a run ran on and was made by: versions, processor, commit, command, seed. Nothing that names a person."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("ranvier", "torch", "numpy", "safetensors")


def describe(*, command: Sequence[str] = (), seed: int | None = None) -> dict[str, Any]:
    """Describe the environment as plain values.

    Args: command: the words typed; by default those of this process. Of folders elsewhere than in the present one only
        the last part is kept: paths name people. seed: the seed of the run.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [_nameless(word) for word in command or [Path(sys.argv[0]).name, *sys.argv[1:]]],
        "seed": seed,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "system": platform.platform(),
        "cpu": _cpu(Path("/proc/cpuinfo")),
        "num_cpus": os.cpu_count(),
        "num_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "git": commit(Path(__file__).parent),
    }


def _nameless(word: str) -> str:
    """Shorten an absolute path, also behind "=", to where it lies in the present folder, else to its name."""
    option, equals, value = word.rpartition("=")
    path = Path(value)
    if not path.is_absolute():
        return word
    here = Path.cwd()
    short = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return f"{option}{equals}{short}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu(cpuinfo: Path) -> str:
    """Return the processor's name as Linux tells it, else as Python guesses it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def commit(folder: Path) -> dict[str, Any] | None:
    """Return the git commit of a folder and whether its files differ from it; None where there is no repository."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
