"""Trainings that are really killed at random instants end in the bits of one that ran through."""

import json
import os
import subprocess
import sys
from pathlib import Path

KILLS = 300 if os.environ.get("RANVIER_FULL") == "1" else 60


def test_trainings_killed_at_random_instants_end_in_the_same_bits_and_metrics(tmp_path):
    program = Path(__file__).with_name("restarts.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path, "--kills", str(KILLS)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["faults"] == [], done.stderr
    assert seen["kills"] >= KILLS
    assert seen["identical"] == seen["trainings"] > 5
    assert seen["identical_resumes"] == seen["kills"]
    assert set(seen["by"]) == {"SIGKILL", "SIGTERM", "SIGINT"}
    assert seen["resumed"] > KILLS / 3  # most kills came when there was something to resume from
    assert seen["writing"] > 0  # and some while a checkpoint was being written
