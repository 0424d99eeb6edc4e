"""Bad input, at the doors through which a user brings it: each a typed error that says where, what, and the mend.

Here stands one case of each kind. More of the same, next to the code that refuses:
axes, channels, types, empty sequences: tests/nn/test_inputs.py, test_sequential.py, test_folding.py
NaN and infinity: tests/nn/test_inputs.py; in a loss or gradient: tests/train/test_step.py, test_trainer.py;
in options: tests/systems/test_config.py
states: tests/nn/test_stateful.py, test_stream.py, tests/kernels/test_dispatch.py
unknown names, contradictions: tests/core/test_params.py, tests/systems/test_config.py, tests/cli/test_train.py
folders that cannot be written, full disks, deaths at any call: tests/runs/test_checkpoints.py, test_files.py
half-written and altered checkpoints: tests/runs/test_checkpoint.py, test_mutations.py
object arrays, escapes from archives, bombs: tests/data/formats/test_hostile.py
"""

import errno
import io
import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import ranvier as rv
from ranvier.cli import app
from ranvier.core.errors import (
    ConfigError,
    DtypeError,
    FormatError,
    NonFiniteError,
    ShapeError,
    StateError,
    UnknownNameError,
)
from ranvier.data.formats import npz
from ranvier.runs import Run, checkpoint

TINY = [
    "train.epochs=2", "num_frames=2", "shrink=8", "channels=[2]", "batch_size=20", "limit=40",
    "train.saving.steps=1", "train.saving.log_steps=1",
]  # fmt: skip
FRAMES = (5, 3, 2, 8, 8)  # T, B, C, H, W


@pytest.fixture(scope="module")
def net():
    layers = [nn.Conv2d(2, 4, 3, padding=1), rv.LIF(tau_m=2.0), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)]
    return rv.nn.Sequential(*layers, rv.LIF())


def spoilt(value):
    x = torch.ones(FRAMES)
    x[2, 1, 0, 3, 5] = value
    return x


BAD_INPUTS = {
    "one axis": (
        torch.ones(5), ShapeError,
        "Sequential: expected an input (T, B, ...) with at least 2 axes, got (5,). A batch of one is x.unsqueeze(1).",
    ),
    "no batch axis": (
        torch.ones(5, 2, 8, 8), ShapeError,
        'Conv2d "0": expected input (T, B, 2, H, W), got (5, 2, 8, 8). The number of axes differs.',
    ),
    "channels": (
        torch.ones(5, 3, 1, 8, 8), ShapeError,
        'Conv2d "0": expected input (T, B, 2, H, W), got (5, 3, 1, 8, 8). Channels differ. Build it with in_channels=1.',
    ),
    "pixels": (
        torch.ones(5, 3, 2, 12, 8), ShapeError,
        'Linear "4": expected input (T, B, ..., 64), got (5, 3, 96). Features differ. Build it with in_features=96.',
    ),
    "no time": (
        torch.ones(0, 3, 2, 8, 8), ShapeError,
        "Sequential: expected at least one time step, got an empty sequence of shape (0, 3, 2, 8, 8).",
    ),
    "NaN": (
        spoilt(torch.nan), NonFiniteError,
        "Sequential: expected finite numbers, got 1 of 1920 values that are NaN or infinite, "
        "the first at index (2, 1, 0, 3, 5): nan.",
    ),
    "infinity": (
        spoilt(-torch.inf), NonFiniteError,
        "Sequential: expected finite numbers, got 1 of 1920 values that are NaN or infinite, "
        "the first at index (2, 1, 0, 3, 5): -inf.",
    ),
    "whole numbers": (
        torch.ones(FRAMES, dtype=torch.int64), DtypeError,
        "Sequential: expected a floating input, got torch.int64. Convert it by .float().",
    ),
    "another precision": (
        torch.ones(FRAMES, dtype=torch.float64), DtypeError,
        'Conv2d "0": expected an input of torch.float32, as its weights, got torch.float64. '
        "Convert the input by .to(torch.float32), or the network.",
    ),
    "no tensor": (np.ones(FRAMES), DtypeError, "Sequential: expected a tensor (T, B, ...), got a ndarray."),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_INPUTS)
def test_a_network_refuses(net, what):
    x, kind, text = BAD_INPUTS[what]
    with pytest.raises(kind, match=f"^{re.escape(text)}$"):
        net(x)
    if isinstance(x, torch.Tensor) and x.ndim > 2 and len(x):  # and so does a stream of it, whose state stays
        stream = net.stream(batch=x.shape[1])
        with pytest.raises(kind):
            stream.run(x)
        assert stream.state is None


def test_a_state_of_another_shape_or_of_another_network_is_refused_by_layer(net):
    _, state = rv.nn.run(net, torch.ones(FRAMES))
    text = 'Spiking(LIF) "1": expected state.v of shape (2, 4, 8, 8) for this input, got (3, 4, 8, 8).'
    with pytest.raises(StateError, match=f"^{re.escape(text)} None starts from rest\\.$"):
        rv.nn.run(net, torch.ones(5, 2, 2, 8, 8), state)
    with pytest.raises(StateError, match=r"^Sequential: expected states of its own layers, got one for '7'"):
        rv.nn.run(net, torch.ones(FRAMES), {**state, "7": state["1"]})
    with pytest.raises(StateError, match=r'^Sequential "1": expected a state for this layer, got states for \'5\'\.'):
        rv.nn.run(net, torch.ones(FRAMES), {"5": state["5"]})


def test_unknown_names_list_near_ones():
    with pytest.raises(UnknownNameError, match=r"^LIF: expected a known parameter \(.*\), got 'tau'\. .*'tau_m'\?$"):
        rv.LIF().replace(tau=3.0)
    with pytest.raises(UnknownNameError, match=r"^Spiking\.learn: .* got 'taum'\. Did you mean 'tau_m'\?$"):
        rv.nn.Spiking(rv.LIF(), learn=("taum",))
    with pytest.raises(ConfigError, match=r"^LIF\.discretisation: expected 'exact' or 'euler', got 'exat'\.$"):
        rv.LIF(discretisation="exat")


def test_a_layer_that_is_none_is_refused():
    text = "Sequential \"0\": expected a torch module or a neuron description, got 'lif'."
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}"):
        rv.nn.Sequential("lif")


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


MISTAKES = {
    ("run", "stpb"): "got 'stpb'. Did you mean 'stbp'?",
    ("show", "LIFF"): "got 'liff'. Did you mean 'lif'",
    ("run", "stbp", "--set=train.epoch=3"): "got 'epoch'. Did you mean 'epochs'?",
    ("run", "stbp", "--set=train.epochs=1", "--set=train.epochs=2"):
        "ConfigError: --set train.epochs: expected one value, got '1' and '2'. Drop one of them.",
    ("run", "stbp", "--seed=1", "--set=seed=2"):
        "ConfigError: --seed: expected one seed, got --set seed=... too. Drop one of them.",
    ("run", "stbp", "--set=tau_m=nan"): "ConfigError: --set.tau_m: expected a finite number, got nan.",
    ("run", "stbp", "--set=tau_m=-5"): "ConfigError: LIF.tau_m: expected a number > 0 ms, got -5.0.",
    ("run", "stbp", "--runs=file"): "RunError: file/stbp-",
    ("check", "stbp", "--set=train.epochs=1"): "No such option: --set",
    ("resume", "nowhere"): "RunError: nowhere: expected a run folder, got no config.json in it. Name a folder that",
    ("report", "file"): "RunError: file: expected a run folder, got no config.json in it. Name a folder that",
    ("data", "fetch", "nmist"): "got 'nmist'. Did you mean 'nmnist'",
}  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_the_command_line_refuses_with_exit_code_2_and_writes_nothing(shell, tmp_path, words):
    (tmp_path / "file").write_text("in the way")
    result = shell(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert MISTAKES[words] in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def train(shell, *more):
    return shell("run", "stbp", *(f"--set={option}" for option in TINY), *more)


@pytest.fixture
def straight(shell):
    """The weights of a run that nothing disturbed."""
    assert train(shell, "--runs=straight").exit_code == 0
    (folder,) = Path("straight").iterdir()
    return Run.open(folder).newest().checkpoint.tree["net"]


def test_a_full_disk_is_named_with_the_folder_and_the_run_goes_on_to_the_same_bits(shell, straight, monkeypatch):
    real = checkpoint.write_through

    def full(path, content):
        if "step-000000003" in str(path):
            real(path, content[: len(content) // 2])  # as much as still fits
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_through", full)
        result = train(shell)
    (folder,) = Path("runs").iterdir()
    assert result.exit_code == 2
    assert result.stderr == (
        f"RunError: {folder}/checkpoints/step-000000003: expected a folder that can be written to, "
        "got No space left on device (OSError). "
        "Free space there or choose another folder; what was complete before is untouched.\n"
    )
    assert f"Checkpoints are kept. Once mended, go on with: ranvier resume {folder}\n" in result.stdout
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == ["step-000000001", "step-000000002"]
    same_in_the_end(shell, folder, straight)


def test_a_half_written_checkpoint_is_passed_over_with_its_cause_and_the_end_is_the_same(shell, straight):
    assert train(shell).exit_code == 0
    (folder,) = Path("runs").iterdir()
    newest = Run.open(folder).newest().path
    file = newest / "tensors.safetensors"
    size = file.stat().st_size
    os.truncate(file, size // 2)
    (folder / "results.json").unlink()
    result = same_in_the_end(shell, folder, straight)
    assert result.stderr.startswith(f"note: Resuming from step-000000003, as newer checkpoints are broken:\n{file}: ")
    assert f"got {size // 2} bytes where the manifest says {size}." in result.stderr


def same_in_the_end(shell, folder, straight):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = shell("resume", folder)
    assert result.exit_code == 0, result.output
    weights = Run.open(folder).newest().checkpoint.tree["net"]
    assert weights.keys() == straight.keys()
    for name, weight in straight.items():
        assert torch.equal(weight, weights[name]), name
    return result


def test_a_pack_with_object_arrays_and_a_path_that_escapes_are_refused_by_member(tmp_path):
    path, data = tmp_path / "a.npz", io.BytesIO()
    np.savez(path, images=np.array([{}, []], object))
    with pytest.raises(FormatError, match=rf"^{re.escape(str(path))}: member 'images\.npy'.*: expected .*, got .*O"):
        npz.read(path)
    np.save(data, np.arange(3))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.npy", data.getvalue())
    with pytest.raises(FormatError, match=rf"^{re.escape(str(path))}: .*\.\./\.\./evil\.npy"):
        npz.read(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_of_fifty_files_that_carry_code_none_is_executed_by_anything_that_reads_files(tmp_path):
    program = Path(__file__).with_name("malicious.py")
    done = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["faults"] == []
    assert seen["executed"] == 0
    assert seen["armed"] == seen["payloads"] >= 50  # a careless reader does execute every one
    assert seen["reads"] == seen["payloads"] * seen["readers"]
    assert seen["refused"] > 0.7 * seen["reads"]  # the others only quote what they read
