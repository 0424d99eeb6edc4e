"""Spikes as bits: against numpy's own packing, and back."""

import numpy as np
import pytest
import torch

from ranvier.kernels import bits
from ranvier.kernels.bits import pack
from ranvier.kernels.cpu import machine


@pytest.fixture(params=["machine", "torch"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "torch":
        monkeypatch.setattr(bits, "_has_machine", lambda *_: False)
    elif machine.absence() is not None:
        pytest.skip(str(machine.absence()))


def spikes(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.3).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (3, 5), (65_537,), (4, 300_000)])
def test_bits_are_those_of_numpy_and_come_back(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = spikes(*shape, dtype=dtype)
    packed = pack(x)
    assert packed is not None
    want = np.packbits(x.float().numpy().astype(bool).reshape(-1), bitorder="little")
    np.testing.assert_array_equal(packed.bytes.numpy(), want)
    back = packed.unpack()
    assert back.dtype == dtype
    assert torch.equal(back, x)
    assert packed.bytes.numel() == -(-x.numel() // 8)


def test_the_layout_comes_back_too() -> None:
    x = spikes(4, 3, 5, 6).to(memory_format=torch.channels_last)
    packed = pack(x)
    assert packed is not None
    back = packed.unpack()
    assert torch.equal(back, x)
    assert back.stride() == x.stride()
    turned = pack(spikes(30, 7).T)
    assert turned is not None
    assert torch.equal(turned.unpack(), spikes(30, 7).T)


@pytest.mark.parametrize("other", [0.5, 2.0, -1.0, float("nan"), float("inf"), 1e-40, 1.0000001])
@pytest.mark.parametrize("place", [0, 9, 99_990, 99_999])
def test_other_numbers_are_not_packed(other: float, place: int) -> None:
    for dtype in (torch.float32, torch.float64):
        x = spikes(100_000, dtype=dtype)
        x[place] = other
        assert pack(x) is None


def test_gaps_integers_and_nothing_are_not_packed() -> None:
    assert pack(spikes(4, 6)[:, ::2]) is None
    assert pack(spikes(1, 6).expand(3, 6)) is None
    assert pack(spikes(9).int()) is None
    assert pack(torch.zeros(0)) is None


def test_threads_change_nothing() -> None:
    x = spikes(5, 123_457)
    seen = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        packed = pack(x)
        assert packed is not None
        seen.append(packed.bytes)
        assert torch.equal(packed.unpack(), x)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


@pytest.mark.parametrize(
    ("numbers", "made", "message"),
    [
        (torch.zeros(9), torch.zeros(1, dtype=torch.uint8), "bits: expected 2 bytes, got 1"),
        (torch.zeros(9, dtype=torch.int32), torch.zeros(2, dtype=torch.uint8), "numbers: expected float32 or float64"),
        (torch.zeros(9), torch.zeros(2), "bits: expected uint8"),
        (torch.zeros(18)[::2], torch.zeros(2, dtype=torch.uint8), "expected one axis without gaps"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(numbers: torch.Tensor, made: torch.Tensor, message: str) -> None:
    if machine.absence() is not None:
        pytest.skip(str(machine.absence()))
    with pytest.raises(ValueError, match=message):
        machine._machine().pack(numbers, made, 1)
    with pytest.raises(ValueError, match=message):
        machine._machine().unpack(made, numbers, 1)
