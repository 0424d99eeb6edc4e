"""Rows of weights in three precisions. Axes: N inputs, M outputs."""

import pytest
import torch

from ranvier.kernels.sparse.weights import PAD, Rows, pad


@pytest.fixture
def weight_NM():
    return torch.randn(50, 21, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 2, 21)


def test_float32_is_kept_bit_for_bit(weight_NM):
    assert torch.equal(Rows(weight_NM, None, "float32").values, weight_NM)


def test_bfloat16_is_the_nearest_number_of_8_bits(weight_NM):
    values = Rows(weight_NM, None, "bfloat16").values
    assert bool(((values - weight_NM).abs() <= weight_NM.abs() * 2.0**-8).all())
    assert not torch.equal(values, weight_NM)


def test_int8_is_within_half_a_step_of_each_outputs_own_scale(weight_NM):
    rows = Rows(weight_NM, None, "int8")
    step_M = weight_NM.abs().amax(0) / 127
    assert bool(((rows.values - weight_NM).abs() <= step_M * 0.5001).all())
    assert torch.equal(rows.data.abs().amax(0)[:21], torch.full((21,), 127, dtype=torch.int8))


def test_groups_have_scales_of_their_own():
    weight_NM = torch.tensor([[1.0, 2.0], [3.0, -4.0], [100.0, 50.0], [0.0, 0.0]])
    rows = Rows(weight_NM, None, "int8", groups=2, group_of_row=torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(rows.scale[:4] * 127, torch.tensor([3.0, 4.0, 100.0, 50.0]))
    assert bool(
        ((rows.values - weight_NM).abs() <= torch.tensor([[3.0, 4.0]] * 2 + [[100.0, 50.0]] * 2) / 254 * 1.001).all()
    )


def test_an_output_without_weights_is_0_in_int8():
    assert torch.equal(Rows(torch.zeros(3, 2), torch.tensor([1.0, 2.0]), "int8").values, torch.zeros(3, 2))


def test_smaller_precisions_take_a_half_and_a_quarter(weight_NM):
    sizes = [Rows(weight_NM, None, precision).nbytes for precision in ("float32", "bfloat16", "int8")]
    assert sizes == [50 * 32 * 4, 50 * 32 * 2, 50 * 32]


@pytest.mark.parametrize(("numbers", "padded"), [(1, PAD), (16, 16), (17, 32)])
def test_rows_are_padded_with_zeros(numbers, padded):
    row = pad(torch.ones(2, numbers))
    assert row.shape == (2, padded)
    assert float(row.sum()) == 2 * numbers
