"""Importing the package has no side effects and costs little."""

import json
import re
import subprocess
import sys
from pathlib import Path

import ranvier

PROBE = """
import json, os, sys, time, warnings
import torch
before = (torch.get_num_threads(), torch.initial_seed(), sorted(os.environ), len(warnings.filters))
start = time.process_time()
import ranvier
seconds = time.process_time() - start
after = (torch.get_num_threads(), torch.initial_seed(), sorted(os.environ), len(warnings.filters))
print(json.dumps({"same": before == after, "seconds": seconds, "modules": sorted(sys.modules)}))
"""


def probe():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_import_changes_nothing_and_loads_no_optional_package():
    seen = probe()
    assert seen["same"]
    heavy = {"matplotlib", "triton", "h5py", "jinja2", "typer", "rich", "nir", "optuna"}
    assert not heavy & set(seen["modules"])


def test_the_package_says_its_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", ranvier.__version__)
    project = Path(ranvier.__file__).parent.parent / "pyproject.toml"
    if project.exists():
        assert f'version = "{ranvier.__version__}"' in project.read_text()
