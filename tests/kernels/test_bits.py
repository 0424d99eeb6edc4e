"""Spikes as bits: against numpy's own packing, and back."""

import numpy as np
import pytest
import torch

from ranvier.kernels import bits
from ranvier.kernels.bits import pack, unpack
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
@pytest.mark.parametrize("numbers", [0, 1, 7, 8, 9, 65_537, 1_200_003])
def test_bits_are_those_of_numpy_and_come_back(numbers: int, dtype: torch.dtype) -> None:
    x = spikes(numbers, dtype=dtype)
    packed = pack(x)
    assert packed is not None
    want = np.packbits(x.float().numpy().astype(bool), bitorder="little")
    np.testing.assert_array_equal(packed.numpy(), want)
    back = unpack(packed, numbers, dtype)
    assert back.dtype == dtype
    assert torch.equal(back, x)


@pytest.mark.parametrize("other", [0.5, 2.0, -1.0, float("nan"), float("inf"), 1e-7, 1.01])
@pytest.mark.parametrize("place", [0, 9, 99_990, 99_999])
def test_other_numbers_are_not_packed(other: float, place: int) -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = spikes(100_000, dtype=dtype)
        x[place] = other
        assert pack(x) is None
    exact = spikes(100_000)
    exact[place] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    assert pack(exact) is None


def test_a_negative_zero_is_zero() -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        packed = pack(torch.tensor([-0.0, 1.0, -0.0] * 5, dtype=dtype))
        assert packed is not None
        assert packed.tolist() == [0b10010010, 0b00100100]


def test_threads_change_nothing() -> None:
    x = spikes(5 * 123_457)
    before, seen = torch.get_num_threads(), []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        packed = pack(x)
        assert packed is not None
        seen.append(packed)
        assert torch.equal(unpack(packed, x.numel(), x.dtype), x)
    torch.set_num_threads(before)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


@pytest.mark.parametrize(
    ("numbers", "made", "message"),
    [
        (torch.zeros(9), torch.zeros(1, dtype=torch.uint8), "bits: expected 2 bytes, got 1"),
        (
            torch.zeros(9, dtype=torch.int32),
            torch.zeros(2, dtype=torch.uint8),
            "numbers: expected float32, float64, float16 or bfloat16",
        ),
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
