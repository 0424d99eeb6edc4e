"""Kill, damage and attack at full scale, and write what was seen to docs/results/reliability.json. Minutes.

Usage: python tools/reliability.py [--out FILE]. Exit code 1 if anything was not as it must be.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ranvier.runs.environment import describe

PROJECT = Path(__file__).resolve().parent.parent
KILLS, MUTATIONS, PAYLOADS = 300, 10_000, 50
PROGRAMS = {
    "kills": ["tests/train/restarts.py", "--kills", str(KILLS)],
    "mutations": ["tests/runs/mutations.py", "--mutations", str(MUTATIONS)],
    "malicious": ["tests/house/malicious.py"],
}


def observe(program: str, *options: str) -> dict[str, Any]:
    """Run one of the programs that the tests run, in an empty folder."""
    memory = Path("/dev/shm")  # noqa: S108 - a disk would spend its time bringing every step to rest
    home = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=home) as folder:
        command = [sys.executable, str(PROJECT / program), folder, *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def holds(seen: dict[str, Any]) -> bool:
    """Say whether all is as it must be."""
    kills, mutations, malicious = seen["kills"], seen["mutations"], seen["malicious"]
    return (
        not any(part["faults"] for part in (kills, mutations, malicious))
        and kills["identical_resumes"] == kills["kills"] >= KILLS
        and mutations["refused"] == mutations["mutations"] >= MUTATIONS
        and malicious["armed"] == malicious["payloads"] >= PAYLOADS
        and malicious["executed"] == 0
    )


def main() -> int:
    """Run all three, write, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "results" / "reliability.json")
    out = parser.parse_args().out
    seen: dict[str, Any] = {name: observe(*words) for name, words in PROGRAMS.items()}
    verdict = holds(seen)
    here = describe()
    environment = {name: here[name] for name in ("started", "python", "versions", "cpu", "num_cpus", "git")}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"holds": verdict, **seen, "environment": environment}, indent=2) + "\n")
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
