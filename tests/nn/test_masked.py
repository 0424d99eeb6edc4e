"""Letters: T time, B batch, C channels, H W space."""

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError
from ranvier.neurons import LIF

NEURON = LIF.like_spikingjelly(tau=2.0, detach_reset=True)


def encoder():
    torch.manual_seed(0)
    net = rn.Sequential(
        rn.conv_norm(2, 6, 3, stride=2),
        rn.Residual(rn.Sequential(NEURON, rn.conv_norm(6, 12, 3), NEURON, rn.conv_norm(12, 6, 3))),
        NEURON, nn.MaxPool2d(2),
        rn.Residual(rn.Sequential(NEURON, rn.SSA(6, heads=2, neuron=NEURON))),
    )  # fmt: skip
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.uniform_(1.0, 3.0)
    return net


def batch():
    generator = torch.Generator().manual_seed(1)
    x_TB = torch.rand(3, 4, 2, 16, 16, generator=generator) * 2
    squares = torch.rand(4, 4, 4, generator=generator) < 0.5
    return x_TB, squares.repeat_interleave(4, 1).repeat_interleave(4, 2)


@pytest.mark.parametrize("training", [True, False])
def test_what_lies_under_the_mask_changes_nothing_at_all(training):
    x_TB, visible = batch()
    other = torch.where(visible[None, :, None], x_TB, torch.full_like(x_TB, torch.nan))
    outputs, statistics = [], []
    for x in (x_TB, other):
        net = encoder().train(training)
        outputs.append(rn.run_masked(net, x, visible))
        statistics.append([b.clone() for b in net.buffers()])
    assert torch.equal(*outputs)
    assert all(torch.equal(a, b) for a, b in zip(*statistics, strict=True))
    assert outputs[0].abs().sum() > 0


def test_without_masks_the_same_change_would_be_seen():
    x_TB, visible = batch()
    net = encoder().eval()
    other = torch.where(visible[None, :, None], x_TB, 5 + x_TB)
    assert not torch.equal(net(x_TB), net(other))


def test_hidden_positions_are_zero_after_every_layer():
    x_TB, visible = batch()
    net, seen = encoder(), []
    for module in net.modules():
        if isinstance(module, rn.Spiking):
            module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    seen.append(rn.run_masked(net, x_TB, visible))
    assert len(seen) == 9
    for map_TB in seen:
        step = 16 // map_TB.shape[-1]
        hidden = ~visible[:, ::step, ::step]
        assert not map_TB.movedim(2, -1)[:, hidden].any()
        assert map_TB.any()


def test_with_everything_visible_it_is_the_network():
    x_TB, visible = batch()
    for training in (True, False):
        first, second = encoder().train(training), encoder().train(training)
        torch.testing.assert_close(
            rn.run_masked(first, x_TB, torch.ones_like(visible)), second(x_TB), rtol=1e-4, atol=1e-4
        )


def test_a_norm_takes_its_statistics_over_what_is_visible():
    x_TB, visible = batch()
    norm = nn.BatchNorm2d(2, momentum=1.0).double()
    y_TB = rn.run_masked(norm, x_TB.double(), visible)
    rows = x_TB.double().numpy().transpose(0, 1, 3, 4, 2)[:, visible.numpy()].reshape(-1, 2)
    np.testing.assert_allclose(norm.running_mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(norm.running_var, rows.var(0, ddof=1), rtol=1e-12)
    got = y_TB.detach().numpy().transpose(0, 1, 3, 4, 2)[:, visible.numpy()].reshape(-1, 2)
    np.testing.assert_allclose(got, (rows - rows.mean(0)) / np.sqrt(rows.var(0) + norm.eps), rtol=1e-10, atol=1e-12)


def test_a_convolution_sees_zeros_where_the_mask_hides():
    x_TB, visible = batch()
    conv = nn.Conv2d(2, 3, 3, padding=1, stride=2)
    with torch.no_grad():
        y_TB = conv((x_TB * visible[None, :, None]).flatten(0, 1)).unflatten(0, (3, 4))
        expected = y_TB * visible[None, :, None, ::2, ::2]
        torch.testing.assert_close(rn.run_masked(conv, x_TB, visible), expected)


def test_gradients_reach_weights_and_nothing_under_the_mask():
    x_TB, visible = batch()
    x_TB.requires_grad_()
    net = encoder()
    rn.run_masked(net, x_TB, visible).square().sum().backward()
    assert not x_TB.grad.movedim(2, -1)[:, ~visible].any()
    assert x_TB.grad.movedim(2, -1)[:, visible].any()
    assert net[0].conv.weight.grad.any()


def test_masks_and_layers_that_do_not_fit_are_refused():
    x_TB, visible = batch()
    with pytest.raises(
        ShapeError, match=r"run_masked: expected a boolean mask \(B, H, W\) = \(4, 16, 16\), got torch\.float32"
    ):
        rn.run_masked(encoder(), x_TB, visible.float())
    torn = visible.clone()
    torn[0, 0, 0] = ~torn[0, 0, 0]
    with pytest.raises(
        ShapeError, match=r"constant on squares of 2 x 2 pixels, got squares that are visible in part\. Hide"
    ):
        rn.run_masked(encoder(), x_TB, torn)
    with pytest.raises(ShapeError, match=r"layers that divide the mask without a rest, got a map of 14 x 14 under"):
        rn.run_masked(nn.Conv2d(2, 3, 3), x_TB, visible)
    with pytest.raises(ConfigError, match=r"expected layers whose mask is known, .* got Linear"):
        rn.run_masked(nn.Linear(16, 3), x_TB, visible)
