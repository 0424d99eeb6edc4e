"""Letters: B batch, C channels, H W space."""

import pytest
import torch

import ranvier.nn as rn


@pytest.mark.parametrize(("kernel", "stride", "side"), [(1, 1, 7), (3, 1, 7), (3, 2, 4), (7, 2, 4)])
def test_space_stays_but_for_the_stride_and_the_norm_merges(kernel, stride, side):
    torch.manual_seed(0)
    layer = rn.conv_norm(4, 6, kernel, stride=stride, groups=2, bias=True)
    x = torch.randn(5, 4, 7, 7)
    layer(x)  # moves the running statistics
    y = layer.eval()(x)
    assert y.shape == (5, 6, side, side)
    torch.testing.assert_close(rn.merge(layer.conv, layer.norm)(x), y, rtol=1e-4, atol=1e-5)


def test_the_norm_takes_its_statistics_over_time_and_batch():
    layer = rn.Sequential(rn.conv_norm(2, 3))
    y_TB = layer(torch.randn(4, 5, 2, 6, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(y_TB.mean((0, 1, 3, 4)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y_TB.var((0, 1, 3, 4), correction=0), torch.ones(3), atol=1e-3, rtol=0)
