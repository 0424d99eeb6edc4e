import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parent / "checks" / "check_hopper.py"


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.skipif(platform.system() != "Linux", reason="Triton brings its assembler for Linux only")
def test_printed_kernels_compile_for_hopper_on_a_machine_without_a_gpu(tmp_path: Path):
    # Triton keeps compiled kernels in a folder and decides at its import whether it interprets: a process of its own.
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", CHECK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    assert " passed" in done.stdout
