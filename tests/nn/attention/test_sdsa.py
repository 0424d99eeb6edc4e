"""The oracle is numpy in 64 bits, written from the equations. Letters: T time, B batch, C channels, N tokens, h heads."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ranvier.nn as rn
from ranvier.core.errors import ShapeError
from ranvier.neurons import LIF
from ranvier.nn.attention import SDSA1, SDSA2, SDSA3, SDSA4

NEURON = LIF.like_spikingjelly(tau=2.0, v_threshold=0.5, detach_reset=True)


def spikes(*shape, seed=0, share=0.4):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(shape, generator=generator) < share).float() for _ in range(3)]


def lif(current_TB, v_th=0.5):
    v, fired = np.zeros_like(current_TB[0]), []
    for x in current_TB:
        v = v + (x - v) / 2
        s = (v >= v_th).astype(float)
        v = v * (1 - s)
        fired.append(s)
    return np.stack(fired)


def by_hand(q, k, v, heads, scale):
    """Q (K^T V), tokens as rows, one head and sample after the other."""
    num_steps, batch, channels = q.shape[:3]
    rows = [x.reshape(num_steps, batch, channels, -1).numpy().astype(float) for x in (q, k, v)]
    out = np.zeros(rows[0].shape)
    size = channels // heads
    for t in range(num_steps):
        for b in range(batch):
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                q_ND, k_ND, v_ND = (x[t, b, part].T for x in rows)
                out[t, b, part] = (scale * q_ND @ (k_ND.T @ v_ND)).T
    return out.reshape(q.shape)


@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99)
)
def test_sdsa3_is_neurons_on_the_products_written_out(num_steps, batch, heads, size, side, seed):
    q, k, v = spikes(num_steps, batch, heads * size, side, 3, seed=seed)
    expected = lif(by_hand(q, k, v, heads, 0.125))
    np.testing.assert_array_equal(SDSA3(NEURON, heads=heads)(q, k, v).numpy(), expected)


def test_the_order_of_the_products_does_not_matter():
    q, k, v = spikes(2, 3, 360, 5, 5)  # 8 heads of 45 channels
    current = SDSA3(NEURON, heads=8).product(q, k, v)
    heads = [x.reshape(2, 3, 8, 45, 25).transpose(-1, -2) for x in (q, k, v)]
    other = (heads[0] @ heads[1].transpose(-1, -2)) @ heads[2] * 0.125
    torch.testing.assert_close(current, other.transpose(-1, -2).reshape(current.shape), rtol=0, atol=1e-4)
    assert current.max() > 4


def test_the_fixed_scale_is_a_threshold():
    q, k, v = spikes(3, 2, 8, 4, 4)
    scaled = SDSA3(NEURON, heads=2)(q, k, v)
    raised = SDSA3(NEURON.replace(v_th=0.5 / 0.125), heads=2, scale=1.0)(q, k, v)
    assert torch.equal(scaled, raised)
    assert 0 < scaled.mean() < 1


def test_sdsa1_masks_queries_by_channels_where_keys_and_values_meet_often_enough():
    q, k, v = spikes(4, 2, 5, 3, 2, share=0.3)
    sums = (k * v).numpy().astype(float).reshape(4, 2, 5, 6).sum(-1)
    mask = lif(sums)
    expected = q.numpy() * mask[..., None, None]
    np.testing.assert_array_equal(SDSA1(NEURON)(q, k, v).numpy(), expected)
    assert 0 < mask.mean() < 1


def test_sdsa2_masks_keys_by_channels_with_many_queries():
    q, k, _ = spikes(4, 2, 5, 3, 2, share=0.08)
    mask = lif(q.numpy().astype(float).reshape(4, 2, 5, 6).sum(-1))
    np.testing.assert_array_equal(SDSA2(NEURON)(q, k).numpy(), k.numpy() * mask[..., None, None])
    assert 0 < mask.mean() < 1


def test_sdsa4_begins_as_sdsa3_and_learns_its_scale():
    q, k, v = spikes(3, 2, 8, 4, 4)
    learned = SDSA4(NEURON, heads=2)
    assert torch.equal(learned(q, k, v), SDSA3(NEURON, heads=2)(q, k, v))
    learned(q, k, v).sum().backward()
    assert learned.log_scale.grad > 0  # more scale, more spikes
    with torch.no_grad():
        learned.log_scale -= 3
    assert learned(q, k, v).sum() < SDSA3(NEURON, heads=2)(q, k, v).sum()


@pytest.mark.parametrize("make", [SDSA1, SDSA2, lambda n: SDSA3(n, heads=2), lambda n: SDSA4(n, heads=2)])
def test_every_form_gives_spikes_of_its_inputs_shape_and_gradients_to_all_of_them(make):
    layer, given_ = make(NEURON), [x.requires_grad_() for x in spikes(3, 2, 4, 4, 5)]
    given_ = given_[:2] if isinstance(layer, SDSA2) else given_
    out = layer(*given_)
    assert out.shape == given_[0].shape
    assert set(out.unique().tolist()) == {0.0, 1.0}
    out.sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in given_)


@pytest.mark.parametrize("make", [SDSA1, lambda n: SDSA3(n, heads=2)])
def test_chunked_is_whole(make):
    class Net(rn.TimeAware):
        def __init__(self):
            super().__init__()
            self.attend = make(NEURON)

        def forward(self, x):
            return self.attend(x, x.flip(-1), x)

    (x, _, _), net = spikes(6, 2, 4, 4, 5), Net()
    first, state = rn.run(net, x[:2])
    second, _ = rn.run(net, x[2:], state)
    assert torch.equal(torch.cat([first, second]), net(x))
    assert 0 < net(x).mean() < 1


def test_one_token_and_an_empty_batch():
    q, k, v = spikes(2, 1, 4, 1)
    assert SDSA3(NEURON, heads=4)(q, k, v).shape == (2, 1, 4, 1)
    assert SDSA1(NEURON)(q[:, :0], k[:, :0], v[:, :0]).shape == (2, 0, 4, 1)


def test_shapes_that_do_not_fit_are_refused():
    q, k, _ = spikes(2, 1, 4, 3)
    with pytest.raises(ShapeError, match=r"SDSA1: expected spikes of one shape \(T, B, C, \.\.\.\) with tokens, got"):
        SDSA1(NEURON)(q, k, k[..., :2])
    with pytest.raises(ShapeError, match=r"SDSA2: expected spikes of one shape"):
        SDSA2(NEURON)(q[..., 0], k[..., 0])
    with pytest.raises(ShapeError, match=r"expected channels that are a multiple of the 3 heads, got 4"):
        SDSA3(NEURON, heads=3)(q, k, k)


def test_a_sum_over_tokens_counts_its_spikes():
    layer = SDSA1(NEURON)
    seen = layer.sum.count(torch.tensor([1.0, 0, 1, 0, 0, 1]).reshape(1, 1, 2, 3))
    assert (seen.dense, seen.effective, seen.additions) == (6, 3, True)
    assert not layer.sum.count(torch.full((1, 1, 1, 2), 2.0)).additions
