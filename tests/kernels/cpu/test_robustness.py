"""The vector machine among threads, forks, denormal numbers and malformed programs."""

import math
import os
import subprocess
import sys
import threading

import pytest
import torch

from ranvier.core import extension
from ranvier.core.errors import ExecutorError
from ranvier.core.program import Builder
from ranvier.kernels.cpu import machine
from ranvier.kernels.cpu.encode import Encoded, encode
from ranvier.kernels.plan import plan
from ranvier.neurons.lif import LIF

pytestmark = [
    pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence())),
    pytest.mark.usefixtures("one_thread"),  # and puts back how many there were
]

PROGRAMS = plan(LIF(tau_m=2.0)).programs
DENORMAL = 1e-40


def opcodes() -> dict[str, int]:
    return {name: number for number, name in enumerate(machine._machine().opcodes())}


def lif() -> Encoded:
    return encode(PROGRAMS.forward, opcodes())


def word(index: int, value: int) -> Encoded:
    """Return the LIF program with one word replaced."""
    encoded = lif()
    return encoded._replace(words=[*encoded.words[:index], value, *encoded.words[index + 1 :]])


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (word(0, 10_000), r"expected an opcode below \d+ in instruction 0, got 10000"),
        (word(0, -1), "expected an opcode below"),
        (word(2, 10_000), "expected operands that have a value in instruction 0, got slot 10000"),
        (word(2, -1), "expected operands that have a value"),
        (word(2, 0), "expected operands that have a value in instruction 0, got slot 0"),  # a register before its value
        (word(1, 10_000), "expected a register or a result as target in instruction 0, got slot 10000"),
        (word(1, -5), "expected a register or a result as target"),
        (word(1, lif().registers), "expected a register or a result as target"),  # a constant
        (lif()._replace(words=lif().words[:-1]), "expected six words an instruction"),
        (lif()._replace(words=lif().words[:6]), "expected every result to be written"),
        (lif()._replace(words=[]), "expected every result to be written"),
        (lif()._replace(registers=-1), "expected counts from 0 to 4096, got -1"),
        (lif()._replace(registers=1 << 30), "expected counts from 0 to 4096"),
        (lif()._replace(in_place=[]), "expected one in-place flag a state"),
    ],
)
def test_malformed_programs_are_refused_with_the_place_of_the_fault(encoded: Encoded, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        machine._machine().Code.forward(*encoded)


def test_an_old_state_cannot_be_read_once_its_place_was_taken() -> None:
    b = Builder(("state.v", "current"))
    new = b.op("mul", 0, 1)
    encoded = encode(b.finish({"state.v": new, "out.sum": b.op("sqrt", 0)}), opcodes())
    assert encoded.in_place == [False]
    machine._machine().Code.forward(*encoded)
    with pytest.raises(ValueError, match="operands that have a value in instruction 1"):
        machine._machine().Code.forward(*encoded._replace(in_place=[True]))


def call(**changes: object) -> None:
    code = machine._machine().Code.forward(*lif())
    arguments = {
        "code": code, "current": torch.zeros(3, 5), "states": [torch.zeros(5)], "coefficients": [], "inner": [],
        "outputs": [torch.zeros(3, 5)], "final_states": [torch.zeros(5)], "threads": 1,
    }  # fmt: skip
    machine._machine().forward(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current": torch.zeros(3)}, r"current: expected two axes \(T, N\), got 1"),
        ({"current": torch.zeros(3, 5, dtype=torch.int32)}, "current: expected float32, float64, bfloat16 or float16"),
        ({"current": torch.zeros(3, 5, dtype=torch.int16)}, "current: expected float32, float64, bfloat16 or float16"),
        ({"current": torch.zeros(3, 5).half()}, "outputs: expected the type of current"),
        ({"states": [torch.zeros(5).bfloat16()]}, "states: expected the type of current"),
        ({"current": torch.zeros(3, 5).bfloat16(), "states": [torch.zeros(5).bfloat16()]}, "states: expected float32"),
        ({"states": [torch.zeros(4)]}, "states: expected 5 numbers, got 4"),
        ({"states": [torch.zeros(5, dtype=torch.float64)]}, "states: expected the type of current"),
        ({"states": []}, "states: expected 1 arrays, got 0"),
        ({"states": [torch.zeros(10)[::2]]}, "states: expected numbers side by side, got a stride"),
        ({"outputs": []}, "outputs: expected 1 arrays, got 0"),
        ({"outputs": [torch.zeros(2, 5)]}, "outputs: expected 3 rows, got 2"),
        ({"outputs": [torch.zeros(15)]}, "outputs: expected 2 axes, got 1"),
        ({"final_states": [torch.zeros(6)]}, "final_states: expected 5 numbers, got 6"),
        ({"coefficients": [torch.zeros(1)], "inner": [1]}, "coefficients: expected 0 arrays, got 1"),
        ({"threads": 0}, "threads: expected at least 1, got 0"),
        ({"variant": "mmx"}, r"variant: expected one of variants\(\), got mmx"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    call()
    with pytest.raises(ValueError, match=message):
        call(**changes)


def test_coefficients_need_a_value_and_an_inner_size() -> None:
    b = Builder(("current", "coef.0"))
    code = machine._machine().Code.forward(*encode(b.finish({"out.y": b.op("add", 0, 1)}), opcodes()))
    for values, inner in ((torch.zeros(0), 1), (torch.zeros(2), 0), (torch.zeros(1, 1), 1)):
        with pytest.raises(ValueError, match="coefficients: expected at least one value and inner >= 1"):
            call(code=code, states=[], final_states=[], coefficients=[values], inner=[inner])


def test_denormals_are_zero_inside_and_kept_outside() -> None:
    b = Builder(("current",))
    program = b.finish({"out.y": b.op("mul", 0, b.const(0.5))})
    x = torch.full((2, 70), DENORMAL)
    assert (x != 0).all()
    torch.set_num_threads(1)
    for fresh in (x, torch.full((2, 70), 1.5e-38)):  # as an operand, and as a result
        assert (machine.forward(program, fresh, [], []).outputs[0] == 0).all()
    assert (x * 0.5 != 0).all(), "the caller's floating-point state is restored"
    with pytest.raises(ValueError, match="threads"):
        call(threads=0)
    assert (x * 0.5 != 0).all()


def test_the_other_threads_of_torch_keep_their_denormals_too() -> None:
    b = Builder(("current",))
    program = b.finish({"out.y": b.op("mul", 0, b.const(0.5))})
    x = torch.full((4, 250_000), DENORMAL)
    torch.set_num_threads(2)
    assert (machine.forward(program, x, [], []).outputs[0] == 0).all()
    assert (x * 0.5 != 0).all(), "torch computes on the threads that the machine borrowed"


def test_a_decaying_membrane_ends_at_zero_rather_than_among_denormals() -> None:
    current, initial = torch.zeros(190, 4096), torch.full((4096,), 0.9)
    assert 0 < initial[0] * math.exp(-190 / 2) < torch.finfo(torch.float32).tiny
    assert (machine.forward(PROGRAMS.forward, current, [initial], []).states[0] == 0).all()


def test_concurrent_calls_from_python_threads_are_all_right() -> None:
    torch.set_num_threads(2)
    x = [torch.randn(5, 40_000, generator=torch.Generator().manual_seed(k)) * 3 for k in range(6)]
    want = [machine.forward(PROGRAMS.forward, x_TN, [x_TN[0]], []) for x_TN in x]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(30):
            got = machine.forward(PROGRAMS.forward, x[k], [x[k][0]], [])
            if not (torch.equal(got.outputs[0], want[k].outputs[0]) and torch.equal(got.states[0], want[k].states[0])):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORK = """
import os, torch
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import plan
from ranvier.neurons.lif import LIF
program = plan(LIF(tau_m=2.0)).programs.forward
torch.set_num_threads(2)
x = torch.linspace(-3, 6, 5 * 40_000).reshape(5, -1)
before = machine.forward(program, x, [x[0]], []).outputs[0]
read, write = os.pipe()
child = os.fork()
after = machine.forward(program, x, [x[0]], []).outputs[0]
good = bytes(before.numpy().tobytes() == after.numpy().tobytes() for _ in range(1))
if child == 0:
    os.write(write, good)
    os._exit(0)
os.waitpid(child, 0)
print("child", os.read(read, 1) == bytes([1]), "parent", good == bytes([1]), "spikes", int(before.sum()) > 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_and_its_parent_both_go_on() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["child", "True", "parent", "True", "spikes", "True"]


LATE = """
import os, sys, torch
from ranvier.core.extension import load
from ranvier.kernels import plan, run
from ranvier.neurons.lif import LIF
from ranvier.nn import Recurrent
torch.set_num_threads(2)
torch.linspace(0, 1, 4_000_000).mul(2).sum()
x, small = torch.linspace(-3, 6, 5 * 40_000).reshape(5, -1), torch.full((30, 64, 256), 1.5)
loop, layer = Recurrent(LIF(tau_m=2.0), 256), None
if sys.argv[1] == "loaded":
    load("ranvier.kernels.cpu._machine")
if sys.argv[1] == "used":
    run(plan(LIF(tau_m=2.0)), x)
child = os.fork()
if child == 0:
    with torch.no_grad():
        spikes = run(plan(LIF(tau_m=2.0)), x).outputs["spikes"].numpy().sum()
        torch.set_num_threads(1)  # torch's own operators would wait for ever
        weight = loop.weight.data.zero_()
        torch.set_num_threads(2)
        more = loop.run(small)[0].numpy().sum()
    os._exit(0 if spikes > 0 and more > 0 else 1)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("before", ["nothing", "loaded", "used"])
def test_the_child_of_a_process_that_ran_torch_does_not_wait_for_its_threads(before: str) -> None:
    done = subprocess.run([sys.executable, "-c", LATE, before], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0"]


TEAM = """
import os, torch
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import plan
from ranvier.neurons.lif import LIF
program = plan(LIF(tau_m=2.0)).programs.forward
torch.set_num_threads(3)
x = torch.linspace(-3, 6, 5 * 40_000).reshape(5, -1)
x.mul(2).sum()
threads = len(os.listdir("/proc/self/task"))
machine.forward(program, x, [x[0]], [])
print(threads >= 3, len(os.listdir("/proc/self/task")) - threads)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or "OpenMP" not in torch.__config__.parallel_info(), reason="no team to share"
)
def test_kernels_run_on_the_threads_of_torch_and_start_none_beside_them() -> None:
    done = subprocess.run([sys.executable, "-c", TEAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", "0"]


def test_an_absent_extension_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ranvier.kernels.cpu._machine", None)
    monkeypatch.delattr("ranvier.kernels.cpu._machine", raising=False)
    extension.load.cache_clear()
    machine._forward_code.cache_clear()
    try:
        assert "ranvier.kernels.cpu._machine cannot be imported" in str(machine.absence())
        with pytest.raises(ExecutorError, match=r'executor "cpu": expected the C\+\+ vector machine, got the compiled'):
            machine.forward(PROGRAMS.forward, torch.zeros(1, 1), [torch.zeros(1)], [])
    finally:
        extension.load.cache_clear()


def test_importing_the_package_does_not_load_the_extension() -> None:
    code = "import sys, ranvier.kernels.cpu; print('ranvier.kernels.cpu._machine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
