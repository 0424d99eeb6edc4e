import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ranvier.core.errors import DtypeError, ExecutorError, MissingExtraError, ShapeError
from ranvier.core.program import Program
from ranvier.kernels.gpu import device
from ranvier.kernels.gpu.device import absence
from ranvier.kernels.gpu.launch import backward, chunk_length, forward
from ranvier.kernels.twin import Coefficient

HERE = Path(__file__).parent
STEP = Program(("state.v", "current", "coef.0"), (), (("state.v", 1), ("out.spikes", 2)))
VJP = Program(
    ("state.v", "current", "coef.0", "grad.state.v", "grad.out.spikes"),
    (),
    (("grad_state.v", 3), ("grad_current", 3), ("grad_coef.0", 4)),
)
COEFS = [Coefficient(torch.ones(1), 1)]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize("check", ["check_executor.py", "check_scan.py", "check_window.py"])
def test_the_executor_agrees_with_the_twin_through_tritons_interpreter(check: str):
    # Triton decides at its import whether kernels are interpreted, so these tests have a process of their own.
    path = HERE / "checks" / check
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", path]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize(("num_steps", "num_states", "num_instructions", "chunk"), [
    (1, 1, 20, 1), (4, 1, 20, 4), (7, 1, 20, 4), (16, 1, 20, 16), (1000, 1, 20, 16), (1000, 2, 20, 8),
    (1000, 4, 20, 4), (1000, 40, 20, 1), (0, 1, 20, 1), (1000, 0, 0, 16), (1000, 1, 300, 2), (1000, 1, 9999, 1),
])  # fmt: skip
def test_a_chunk_is_a_power_of_two_that_time_and_registers_have_room_for(
    num_steps: int, num_states: int, num_instructions: int, chunk: int
):
    assert chunk_length(num_steps, num_states, num_instructions) == chunk


def test_without_triton_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert absence() == "triton is not installed"
    with pytest.raises(MissingExtraError, match=r'expected triton, got no such package. Install it: pip install "ranv'):
        forward(STEP, torch.zeros(2, 3), [torch.zeros(3)], COEFS)


def test_without_a_gpu_the_error_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert absence() == "there is no CUDA device"
    with pytest.raises(ExecutorError, match=r"kernels.gpu: expected a CUDA device, got none. .*TRITON_INTERPRET=1"):
        forward(STEP, torch.zeros(2, 3), [torch.zeros(3)], COEFS)


def test_tensors_on_a_cpu_are_refused_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "absence", lambda: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ExecutorError, match="expected all tensors on one CUDA device, got cpu"):
        forward(STEP, torch.zeros(2, 3), [torch.zeros(3)], COEFS)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch):
    """Let checks pass for tensors on a CPU; nothing is launched."""
    monkeypatch.setattr(device, "absence", lambda: None)
    monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.mark.parametrize(("current", "states", "coefs", "message"), [
    (torch.zeros(3), [torch.zeros(3)], COEFS, r"expected a current \(T, N\) of at most \d+ neurons, got \(3,\)"),
    (torch.zeros(2, 3), [torch.zeros(4)], COEFS, r"expected states of shapes \(3,\), got \(4,\)"),
    (torch.zeros(2, 3), [], COEFS, r"expected states of shapes \(3,\), got none"),
    (torch.zeros(2, 3), [torch.zeros(3)], [], r"expected 1 coefficients \(K,\) with inner >= 1, got none"),
    (torch.zeros(2, 3), [torch.zeros(3)], [Coefficient(torch.ones(1), 0)], r"got \(1,\) with inner 0"),
    (torch.zeros(2, 3), [torch.zeros(3)], [Coefficient(torch.ones(2, 2), 1)], r"got \(2, 2\) with inner 1"),
    (torch.zeros(2, 3), [torch.zeros(3)], [Coefficient(torch.ones(0), 1)], "at least one value, got one with none"),
    (torch.zeros(1).expand(2, 2**31), [torch.zeros(1).expand(2**31)], COEFS, "of at most 2147483520 neurons"),
])  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(interpreted, current, states, coefs, message: str):
    with pytest.raises(ShapeError, match=message):
        forward(STEP, current, states, coefs)


@pytest.mark.parametrize(("current", "states", "message"), [
    (torch.zeros(2, 3), [torch.zeros(3).half()], "expected states that are all .*, got torch.float16"),
    (torch.zeros(2, 3).int(), [torch.zeros(3)], "expected floating tensors, got torch.int32, torch.float32"),
])  # fmt: skip
def test_types_that_do_not_fit_are_refused(interpreted, current, states, message: str):
    with pytest.raises(DtypeError, match=message):
        forward(STEP, current, states, COEFS)


@pytest.mark.parametrize(("grads", "ends", "message"), [
    ([torch.zeros(3, 3)], [None], r"expected gradients of the outputs of shapes \(2, 3\), got \(3, 3\)"),
    ([], [None], r"expected gradients of the outputs of shapes \(2, 3\), got none"),
    ([None], [torch.zeros(1)], r"expected gradients of the final states of shapes \(3,\), got \(1,\)"),
    ([None], [None, None], r"expected gradients of the final states of shapes \(3,\), got None, None"),
])  # fmt: skip
def test_gradients_that_do_not_fit_are_refused(interpreted, grads, ends, message: str):
    with pytest.raises(ShapeError, match=message):
        backward(STEP, VJP, torch.zeros(2, 3), [torch.zeros(3)], COEFS, grads, ends)


def test_gradients_of_whole_numbers_are_refused(interpreted):
    with pytest.raises(DtypeError, match=r"expected floating gradients on cpu, got torch.int64 on cpu"):
        backward(STEP, VJP, torch.zeros(2, 3), [torch.zeros(3)], COEFS, [torch.zeros(2, 3).long()], [None])
