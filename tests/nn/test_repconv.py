"""Letters: B batch, C channels, H W space."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d, pad

import ranvier.nn as rn
from ranvier.core.errors import ConfigError


def settled(net, seed=0):
    """Give norms statistics, gains and biases that are far from those they start with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            if "running_var" in name:
                value.uniform_(0.3, 3, generator=generator)
            elif value.is_floating_point():
                value.normal_(std=0.5, generator=generator)
    return net.eval()


@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_the_folded_convolution_equals_the_chain_borders_included(channels, out, height, width, seed):
    chain = settled(rn.RepConv(channels, out), seed)
    x = torch.randint(0, 2, (2, channels, height, width), generator=torch.Generator().manual_seed(seed)).float()
    folded = chain.fold()
    with torch.no_grad():
        torch.testing.assert_close(folded(x), chain(x), rtol=1e-5, atol=1e-5)
    assert type(folded) is nn.Conv2d
    assert (folded.kernel_size, folded.padding) == ((3, 3), (1, 1))


def test_the_chain_is_its_layers_written_out_in_64_bits():
    chain = settled(rn.RepConv(4, 3)).double()
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = np.einsum("oi,bihw->bohw", chain.expand.weight[:, :, 0, 0].numpy(), x.numpy())
        norm = chain.border.norm
        mean, var, gain, bias = (v.numpy() for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
        each = (slice(None), None, None)
        y = (y - mean[each]) / np.sqrt(var[each] + 1e-5) * gain[each] + bias[each]
        wide = np.empty((2, 4, 7, 5))
        wide[:] = (bias - mean * gain / np.sqrt(var + 1e-5))[each]  # what the norm makes of zero
        wide[:, :, 1:-1, 1:-1] = y
        kernel, out = chain.depthwise.weight[:, 0].numpy(), np.zeros((2, 4, 5, 3))
        for i in range(3):
            for j in range(3):
                out += kernel[:, i, j][each] * wide[:, :, i : i + 5, j : j + 3]
        out = np.einsum("oi,bihw->bohw", chain.project.weight[:, :, 0, 0].numpy(), out)
        mean, var, gain, bias = (
            v.numpy() for v in (chain.norm.running_mean, chain.norm.running_var, chain.norm.weight, chain.norm.bias)
        )
        out = (out - mean[each]) / np.sqrt(var[each] + 1e-5) * gain[each] + bias[each]
        np.testing.assert_allclose(chain(x), out, rtol=1e-12)


def test_a_border_of_zeros_instead_would_not_fold():
    chain = settled(rn.RepConv(3, 3))
    x = torch.ones(1, 3, 4, 4)
    with torch.no_grad():
        y = chain.project(conv2d(pad(chain.border.norm(chain.expand(x)), (1,) * 4), chain.depthwise.weight, groups=3))
        difference = (chain.norm(y) - chain.fold()(x)).abs().amax((0, 1))
    assert difference[1:-1, 1:-1].max() < 1e-5
    assert difference[0].max() > 1e-2


def test_the_border_follows_the_running_statistics_in_training_too_and_carries_no_gradient():
    layer = rn.PaddedBatchNorm2d(2).train()
    x = torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(0)) + 4
    y = layer(x)
    mean, var = 0.1 * x.mean((0, 2, 3)), 0.9 + 0.1 * x.var((0, 2, 3))
    torch.testing.assert_close(y[3, :, 0, 2].detach(), -mean / (var + 1e-5).sqrt())
    assert torch.equal(y[:, :, 1:-1, 1:-1], nn.BatchNorm2d(2)(x))
    y[:, :, 0].sum().backward()
    assert float(layer.norm.weight.grad.abs().sum()) == float(layer.norm.bias.grad.abs().sum()) == 0


def test_it_has_the_parameters_of_its_formula():
    assert sum(p.numel() for p in rn.RepConv(5, 7).parameters()) == 25 + 10 + 45 + 35 + 14


def test_gradients_reach_every_part():
    chain = rn.RepConv(3, 2).train()
    (chain(torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))) ** 3).sum().backward()
    for name, p in chain.named_parameters():
        assert p.grad.abs().sum() > 0, name


def test_a_border_of_less_than_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"PaddedBatchNorm2d\.width: expected a border of at least 0 pixels, got -1"):
        rn.PaddedBatchNorm2d(2, width=-1)
