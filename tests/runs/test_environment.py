import json
import platform
import subprocess
import sys

import torch

from ranvier.runs import environment


def test_the_environment_is_plain_json_and_names_versions_command_and_seed():
    found = environment.describe(command=["ranvier", "run", "stbp"], seed=3)
    assert json.loads(json.dumps(found)) == found
    assert found["command"] == ["ranvier", "run", "stbp"]
    assert found["seed"] == 3
    assert found["python"] == platform.python_version()
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["num_threads"] == torch.get_num_threads()
    assert found["cpu"]


def test_paths_of_a_command_name_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = [
        "ranvier",
        "check",
        "--out",
        "/home/ada/results",
        f"--set=data.root={tmp_path}/sets",
        "a/b",
        "lr=1e-3",
        "x=",
    ]
    kept = ["ranvier", "check", "--out", "results", "--set=data.root=sets", "a/b", "lr=1e-3", "x="]
    assert environment.describe(command=typed)["command"] == kept


def test_the_command_is_that_of_the_process_unless_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/where/ranvier", "run", "--seed", "1"])
    assert environment.describe()["command"] == ["ranvier", "run", "--seed", "1"]


def test_a_package_that_is_not_installed_has_no_version():
    assert environment._version("no-such-package-of-this-name") is None


def test_the_processor_is_read_from_linux_or_guessed(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Fast One @ 3 GHz\nmodel name : Other\n")
    assert environment._cpu(tmp_path / "cpuinfo") == "Fast One @ 3 GHz"
    assert environment._cpu(tmp_path / "absent") == (platform.processor() or platform.machine())


def test_the_commit_of_a_repository_and_whether_files_changed(tmp_path):
    def git(*words):
        subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words],
            check=True,
            capture_output=True,
        )

    assert environment.commit(tmp_path / "absent") is None
    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    first = environment.commit(tmp_path)
    assert len(first["commit"]) == 40
    assert first["changed"] is False
    (tmp_path / "a").write_text("2")
    assert environment.commit(tmp_path) == {**first, "changed": True}
