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
{rooms}
seconds = time.process_time() - start
after = (torch.get_num_threads(), torch.initial_seed(), sorted(os.environ), len(warnings.filters))
print(json.dumps({"same": before == after, "seconds": seconds, "modules": sorted(sys.modules)}))
"""


def probe(rooms=""):
    code = PROBE.replace("{rooms}", rooms)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_import_changes_nothing_and_loads_no_optional_package():
    seen = probe()
    assert seen["same"]
    heavy = {"matplotlib", "triton", "h5py", "jinja2", "typer", "rich", "nir", "optuna"}
    assert not heavy & set(seen["modules"])


def test_rooms_for_networks_load_neither_the_compiler_nor_an_optional_package():
    seen = probe("from ranvier import data, neurons, nn, rules, train")
    assert seen["same"]
    assert not {"torch._dynamo", "sympy", "matplotlib", "triton", "h5py", "nir", "optuna"} & set(seen["modules"])


LAYER = """
import torch
from ranvier import neurons, nn
layer = nn.Spiking(neurons.LIF(tau_m=2.0))
y = layer(torch.ones(3, 4, requires_grad=True))
y.sum().backward()  # the graph lives on to the end
"""


def test_a_script_that_ran_a_layer_ends_in_silence():
    done = subprocess.run([sys.executable, "-c", LAYER], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_the_package_says_its_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", ranvier.__version__)
    project = Path(ranvier.__file__).parent.parent / "pyproject.toml"
    if project.exists():
        assert f'version = "{ranvier.__version__}"' in project.read_text()
