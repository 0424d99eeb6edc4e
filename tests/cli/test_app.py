import importlib
import os
import subprocess
import sys
import time
import warnings

import pytest


def test_help_names_every_command(shell):
    page = shell("--help").output
    for command in ("run", "check", "list", "show", "resume", "report", "compare", "doctor", "data"):
        assert f"\n  {command} " in page


def test_help_comes_without_loading_torch():
    code = "import sys; from ranvier.cli import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_the_package_s(shell):
    result = shell("--version")
    assert result.exit_code == 0
    assert result.output.startswith("ranvier 0.")


def test_a_mistake_is_one_message_on_stderr_and_exit_code_2(shell):
    result = shell("run", "stpb")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("UnknownNameError: ranvier.systems: expected a known system (")
    assert result.stderr.endswith("), got 'stpb'. Did you mean 'stbp'?\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("--debug", "run", "stpb"), ("run", "stpb", "--debug")])
def test_debug_anywhere_lets_the_error_through_with_its_traceback(shell, words):
    result = shell(*words)
    assert type(result.exception).__name__ == "UnknownNameError"


def test_an_unknown_command_and_a_missing_argument_are_refused(shell):
    for words in (("rum",), ("run",), ("compare",)):
        assert shell(*words).exit_code == 2


@pytest.mark.parametrize(("words", "code"), [("", 130), ("SIGINT", 130), ("SIGTERM", 143)])
def test_being_told_to_stop_gives_the_exit_code_of_the_signal(shell, monkeypatch, words, code):
    def stopped(name):
        raise KeyboardInterrupt(*([words] if words else []))

    monkeypatch.setattr("ranvier.systems.load", stopped)
    result = shell("check", "stbp")
    assert result.exit_code == code
    assert result.stderr == f"stopped by {words or 'SIGINT'}\n"


def test_help_is_there_in_a_moment():
    began = time.process_time(), time.monotonic()
    code = "from ranvier.cli import main; main()"
    page = subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True, text=True)
    assert page.stdout.startswith("Usage: ranvier ")
    assert time.monotonic() - began[1] < 10  # 0.3 s on a quiet machine


def test_a_warning_is_one_line_on_stderr_without_file_and_code(shell, monkeypatch):
    def warned(name):
        warnings.warn("slower than it could be", RuntimeWarning, stacklevel=1)
        raise KeyboardInterrupt

    monkeypatch.setattr("ranvier.systems.load", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = shell("check", "stbp")
    assert result.stderr == "note: slower than it could be\nstopped by SIGINT\n"


def test_no_command_s_summary_is_cut_off(shell):
    assert "..." not in shell("--help").output.partition("Commands:")[2]
    assert "..." not in shell("data", "--help").output.partition("Commands:")[2]


@pytest.mark.parametrize(("command", "policy"), [("list", "PASSIVE"), ("bench", None)])
def test_threads_wait_asleep_save_where_time_is_measured(monkeypatch, command, policy):
    module, seen = importlib.import_module("ranvier.cli.app"), []
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is put back
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setattr(sys, "argv", ["ranvier", command])
    monkeypatch.setattr(module, "app", lambda **_: seen.append(os.environ.get("OMP_WAIT_POLICY")))
    module.main()
    assert seen == [policy]
