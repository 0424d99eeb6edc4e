import json

import pytest

from ranvier.kernels import gpu
from ranvier.kernels.cpu import machine


def findings(shell):
    return {line["what"]: line for line in json.loads(shell("doctor", "--json").stdout)}


def test_the_doctor_looks_at_every_part(shell):
    parts = findings(shell)
    assert {"recurrent loop", "event-driven kernel", "event decoders"} <= set(parts)
    assert {"python", "torch", "C++ kernel", "GPU kernel", "data: nmnist", "runs folder"} <= set(parts)
    assert parts["data: nmnist"]["state"] == "good"
    assert parts["data: mnist"] == {
        "what": "data: mnist", "state": "absent", "words": "nowhere", "mend": "ranvier data fetch mnist",
    }  # fmt: skip


def test_an_absent_kernel_comes_with_its_reason_and_the_mend(shell, monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: "no such file: _machine.so")
    monkeypatch.setattr(gpu, "absence", lambda: "there is no CUDA device")
    page = shell("doctor").stdout
    assert "no such file: _machine.so" in page
    assert "pip install ranvier anew with a C++ compiler" in page
    assert "there is no CUDA device" in page
    assert "ranvier[gpu]" in page


def test_present_kernels_are_good(shell, monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: None)
    monkeypatch.setattr(gpu, "absence", lambda: None)
    parts = findings(shell)
    assert parts["C++ kernel"]["state"] == parts["GPU kernel"]["state"] == "good"


def test_a_data_folder_that_is_none_is_broken_and_so_is_the_exit_code(shell, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", "/nowhere/at/all")
    result = shell("doctor")
    assert result.exit_code == 1
    assert "got '/nowhere/at/all'" in result.stdout or "'/nowhere/at/all'" in result.stdout
    assert "Make it, or unset RANVIER_DATA." in result.stdout


def test_too_many_threads_are_slow(shell, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 10_000)
    torch = findings(shell)["torch"]
    assert torch["state"] == "slow"
    assert torch["mend"].startswith("Set OMP_NUM_THREADS=")


def test_a_runs_folder_that_is_a_file_is_broken(shell, tmp_path):
    (tmp_path / "runs").write_text("in the way")
    result = shell("doctor")
    assert result.exit_code == 1
    assert "Mend its permissions, or use --runs elsewhere." in result.stdout


def test_the_compiled_kernel_is_tried_and_named_by_its_instructions(shell, monkeypatch):
    if machine.absence() is not None:
        pytest.skip("the C++ extension is not built")
    words = findings(shell)["C++ kernel"]["words"]
    assert "AVX" in words or "baseline" in words
    assert "a trial run gives the spikes of the plain reference" in words
    real = machine.forward_coded
    monkeypatch.setattr(machine, "forward_coded", lambda *a, **k: wrong_spikes(*real(*a, **k)))
    wrong = findings(shell)["C++ kernel"]
    assert wrong["state"] == "broken"
    assert "differs from the plain reference" in wrong["words"]


def wrong_spikes(outputs, states):
    return [1 - spikes for spikes in outputs], states


def test_a_data_set_that_cannot_be_read_is_broken_and_other_files_are_none(shell, tmp_path, monkeypatch):
    for name, file in (("mnist", "mnist.npz"), ("cifar10", "notes.txt")):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / file).write_text("x")
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "all"))
    parts = findings(shell)
    assert parts["data: mnist"]["state"] == "broken"
    assert "mnist.npz" in parts["data: mnist"]["words"]
    assert parts["data: mnist"]["mend"] == "Delete the file, then ranvier data fetch mnist"
    assert parts["data: cifar10"]["state"] == "absent"
    assert parts["data: nmnist"]["words"] == "embedded sample: 100 test samples"
    assert f"RANVIER_DATA={tmp_path / 'all'}" in parts["data folders"]["words"]
