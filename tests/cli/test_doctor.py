import json

from ranvier.kernels.cpu import machine
from ranvier.kernels.gpu import launch


def findings(shell):
    return {line["what"]: line for line in json.loads(shell("doctor", "--json").stdout)}


def test_the_doctor_looks_at_every_part(shell):
    parts = findings(shell)
    assert {"python", "torch", "C++ kernel", "GPU kernel", "data: nmnist", "runs folder"} <= set(parts)
    assert parts["data: nmnist"]["state"] == "good"
    assert parts["data: mnist"] == {
        "what": "data: mnist", "state": "absent", "words": "nowhere", "mend": "ranvier data fetch mnist",
    }  # fmt: skip


def test_an_absent_kernel_comes_with_its_reason_and_the_mend(shell, monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: "no such file: _machine.so")
    monkeypatch.setattr(launch, "absence", lambda: "there is no CUDA device")
    page = shell("doctor").stdout
    assert "no such file: _machine.so" in page
    assert "pip install ranvier anew with a C++ compiler" in page
    assert "pip install ranvier[gpu]" in page


def test_present_kernels_are_good(shell, monkeypatch):
    monkeypatch.setattr(machine, "absence", lambda: None)
    monkeypatch.setattr(launch, "absence", lambda: None)
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
