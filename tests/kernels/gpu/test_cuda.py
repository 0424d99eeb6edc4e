import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CHECKS = Path(__file__).parent / "checks"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("check", ["check_executor.py", "check_scan.py", "check_window.py"])
def test_the_executor_agrees_with_the_twin_on_a_gpu(check: str):
    # The same tests as through the interpreter; Triton decides at its import, so they have a process of their own.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("TRITON_INTERPRET", "PYTEST_ADDOPTS")
    }
    # Without a fixed workspace cuBLAS is not deterministic, and torch says so.
    environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        CHECKS / check,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    assert " passed" in done.stdout
