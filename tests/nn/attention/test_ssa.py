"""Letters: T time, B batch, C channels, H W space, h heads, d = C / h, N positions."""

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ShapeError
from ranvier.neurons import LIF

NEURON = LIF.like_spikingjelly(tau=2.0, detach_reset=True)


def lif(x, v_th):
    """Spikformer's neuron: h = v + (x - v) / 2, a spike where h >= v_th, then back to 0; x (T, ...)."""
    v, out = np.zeros(x.shape[1:]), []
    for current in x:
        h = v + (current - v) / 2
        out.append((h >= v_th).astype(float))
        v = h * (1 - out[-1])
    return np.stack(out)


def linear_norm(layer, x):
    """A 1 x 1 convolution and its norm in evaluation, x (T, B, C, N)."""
    conv, norm = layer.conv, layer.norm
    y = np.einsum("mc,tbcn->tbmn", conv.weight.detach().numpy()[:, :, 0, 0], x)
    mean, var, gain, shift = (
        p.detach().numpy()[:, None] for p in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (y - mean) / np.sqrt(var + norm.eps) * gain + shift


def made(channels=8, heads=2, **options):
    torch.manual_seed(3)
    layer = rn.SSA(channels, heads=heads, neuron=NEURON, **options).double()
    with torch.no_grad():
        for module in layer.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.02, 0.1)
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(0.2, 1.6)
    return layer.eval()


def test_it_is_the_papers_equations_in_evaluation():
    layer, heads, size = made(), 2, 4
    x = (torch.rand(4, 2, 8, 3, 4, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    flat = x.flatten(3).numpy()
    q, k, v = (lif(linear_norm(part.project, flat), 1.0) for part in (layer.query, layer.key, layer.value))
    parts = [a.reshape(4, 2, heads, size, 12) for a in (q, k, v)]
    a = 0.125 * np.einsum("tbhai,tbhaj,tbhcj->tbhci", *parts).reshape(4, 2, 8, 12)
    s = lif(a, 0.5)
    assert 0 < s.mean() < 1
    expected = linear_norm(layer.out, s)
    np.testing.assert_allclose(layer(x).detach().flatten(3), expected, rtol=1e-9, atol=1e-9)


def test_query_key_and_value_are_spikes_and_the_order_does_not_matter():
    x = (torch.rand(4, 2, 8, 3, 3, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    outputs = []
    for order in ("keys-values", "queries-keys"):
        layer = made(order=order)
        with rn.observe(layer, record=()) as seen:
            outputs.append(layer(x))
        for path in ("query.neuron", "key.neuron", "value.neuron", "attention"):
            assert set(seen[path].spikes_TB.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(*outputs)


def test_a_stream_of_single_steps_is_the_whole():
    layer = rn.Sequential(made())
    x = (torch.rand(5, 2, 8, 3, 3, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    stream = layer.stream(batch=2)
    steps = torch.stack([stream(frame) for frame in x])
    torch.testing.assert_close(steps, layer(x))


def test_other_projections_take_the_place_of_the_given_ones():
    def biased(inside, outside):
        return rn.conv_norm(inside, outside, bias=True)

    plain, other, last = made(), made(project=biased), made(out=biased)
    count = [sum(p.numel() for p in layer.parameters()) for layer in (plain, other, last)]
    assert [c - count[0] for c in count] == [0, 4 * 8, 8]


def test_channels_that_do_not_part_into_heads_are_refused():
    with pytest.raises(ShapeError, match="a multiple of the 3 heads, got 8"):
        made(heads=3)(torch.zeros(2, 1, 8, 2, 2).double())
