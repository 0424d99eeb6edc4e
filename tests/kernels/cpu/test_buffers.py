"""Reused memory of results: never two owners, bounded, safe among threads and forks."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.kernels.cpu import buffers, machine

pytestmark = pytest.mark.skipif(machine.absence() is not None, reason=str(machine.absence()))

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def empty_pool() -> Iterator[None]:
    before = buffers.buffer_limit()
    gc.collect()
    buffers.set_buffer_limit(0)
    buffers.set_buffer_limit(64)
    yield
    buffers.set_buffer_limit(0)
    buffers.set_buffer_limit(before)


def make(mib: float = 1.0) -> Tensor:
    return buffers.fresh((int(mib * MIB) // 4,), torch.float32)


def test_memory_of_a_dead_tensor_is_used_again() -> None:
    first = make()
    place = first.data_ptr()
    del first
    assert buffers.idle_buffers() == 0 or buffers.idle_buffers() >= MIB
    second = make()
    assert second.data_ptr() == place
    assert buffers.idle_buffers() == 0


def test_a_living_tensor_or_view_keeps_its_memory_to_itself() -> None:
    tensors = [make() for _ in range(4)]
    views = [t.view(512, -1)[3:5].T for t in tensors]
    for k, t in enumerate(tensors):
        t.fill_(k)
    del tensors, t
    others = [make().fill_(-1.0) for _ in range(6)]
    assert len({o.data_ptr() for o in others}) == 6
    for k, view in enumerate(views):
        assert (view == k).all()


def test_no_more_than_the_limit_is_kept_and_the_oldest_goes_first() -> None:
    buffers.set_buffer_limit(4)
    tensors = [make(mib) for mib in (1, 1.5, 2, 2)]  # 2 MiB pieces are whole huge pages
    places = [t.data_ptr() for t in tensors]
    while tensors:
        del tensors[0]
        assert buffers.idle_buffers() <= 4 * MIB
    assert make(2).data_ptr() in places[2:]
    buffers.set_buffer_limit(0)
    assert buffers.idle_buffers() == 0


def test_a_limit_of_zero_leaves_memory_to_pytorch() -> None:
    buffers.set_buffer_limit(0)
    tensor = make()
    tensor.untyped_storage().resize_(0)  # memory of ours cannot be resized
    del tensor
    assert buffers.idle_buffers() == 0


@pytest.mark.parametrize("value", [-1, "much", None])
def test_a_limit_is_a_whole_number(value: object) -> None:
    with pytest.raises(ConfigError, match=r"set_buffer_limit\(mib\): expected a whole number of MiB, 0 or more, got "):
        buffers.set_buffer_limit(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "expected"), [("0", "0"), ("12", "12")])
def test_the_environment_sets_the_limit(text: str, expected: str) -> None:
    code = "from ranvier.kernels.cpu import buffers; print(buffers.buffer_limit())"
    env = os.environ | {"RANVIER_BUFFERS_MIB": text}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=env)
    assert done.stdout.strip() == expected


def test_a_wrong_environment_is_named() -> None:
    code = "from ranvier.kernels.cpu import buffers; buffers.buffer_limit()"
    env = os.environ | {"RANVIER_BUFFERS_MIB": "lots"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env, check=False
    )
    assert done.returncode != 0
    assert "RANVIER_BUFFERS_MIB: expected a whole number of MiB" in done.stderr


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.uint8])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (7,), (5, 3, 1), (257, 1023)])
def test_shape_and_type_are_as_asked_and_rows_are_aligned(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = buffers.fresh(shape, dtype)
    assert tensor.shape == shape
    assert tensor.dtype == dtype
    assert tensor.is_contiguous()
    assert tensor.data_ptr() % 64 == 0


def test_tensors_may_die_in_any_thread() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for size in (1, 0.5, 2, 0.5) * 20:
            tensors = [make(size).fill_(number) for _ in range(3)]
            gone.extend(tensors)
            if not all((t == number).all() for t in tensors):
                wrong.append(number)
            while len(gone) > 8:
                gone.pop(0)

    gone: list[Tensor] = []
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_unused_capsule_gives_its_memory_back() -> None:
    capsule = machine._machine().fresh([MIB // 4], 4)
    assert buffers.idle_buffers() == 0
    del capsule
    assert buffers.idle_buffers() == MIB


@pytest.mark.parametrize(
    ("shape", "item", "message"),
    [([3, 0], 4, "shape: expected sizes of at least 1, got 0"), ([3], 3, "item: expected 1, 2, 4 or 8 bytes, got 3")],
)
def test_requests_that_make_no_sense_are_refused(shape: list[int], item: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        machine._machine().fresh(shape, item)


def test_more_memory_than_there_is_raises() -> None:
    with pytest.raises(MemoryError):
        machine._machine().fresh([1 << 60], 4)
    with pytest.raises(MemoryError):
        machine._machine().fresh([1 << 40, 1 << 40], 8)


FORK = """
import os, torch
from ranvier.kernels.cpu import buffers
torch.set_num_threads(1)  # PyTorch's own threads do not survive a fork
a = buffers.fresh((1 << 19,), torch.float32).fill_(1.0)
del a
child = os.fork()
b = buffers.fresh((1 << 19,), torch.float32).fill_(2.0 if child else 3.0)
good = bool((b == (2.0 if child else 3.0)).all())
del b
if child == 0:
    os._exit(0 if good else 1)
print(os.waitpid(child, 0)[1], good)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_parent_and_forked_child_each_have_their_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0", "True"]
