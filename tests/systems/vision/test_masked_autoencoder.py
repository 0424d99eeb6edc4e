"""Letters: T time, B batch, C channels, H W space, L patches, P values of a patch, D channels of the decoder."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data import Hold, Loader, MaskedBatches, Masking
from ranvier.systems.vision.classifier import NEURON
from ranvier.systems.vision.masked_autoencoder import Decoder, MaskedAutoencoder, hidden_error, places


class Pictures:
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return torch.randint(256, (2, 8, 8), dtype=torch.uint8, generator=generator(index)), index


def batch():
    loader = Loader(samples=Pictures(), encode=Hold(num_steps=2), batch_size=6)
    return next(iter(MaskedBatches(loader=loader, masking=Masking(patch=2, ratio=0.5)).batches(0)))


def made(side=4):
    torch.manual_seed(0)
    encoder = rn.Sequential(rn.conv_norm(2, 8, 3, stride=2), rn.Residual(rn.Sequential(NEURON, rn.conv_norm(8, 8, 3))))
    return MaskedAutoencoder(
        encoder, channels=8, side=side, values=8, decoder=Decoder(channels=16, depth=1, heads=2)
    ).eval()


def test_pixels_under_the_mask_change_neither_features_nor_predictions():
    inputs, _ = batch()
    net, hidden = made(), inputs[:, :, -1:] == 0
    other = torch.where(hidden, 7.0, inputs)
    other[:, :, -1:] = inputs[:, :, -1:]
    assert not torch.equal(other, inputs)
    assert torch.equal(net.encode(inputs)[0], net.encode(other)[0])
    assert torch.equal(net(inputs), net(other))
    assert torch.equal(net.train()(inputs), net(other))


def test_features_are_zero_where_hidden_and_patches_keep_their_order():
    inputs, targets = batch()
    features_BLC, visible_BL = made().encode(inputs)
    assert torch.equal(~visible_BL, targets[..., 0] > 0.5)
    assert not features_BLC[~visible_BL].any()
    assert features_BLC[visible_BL].any(-1).float().mean() > 0.9


def test_prediction_i_is_of_patch_i():
    """A visible patch's own pixels move its own prediction most: here the decoder is made to look at one place."""
    inputs, _ = batch()
    net = made()
    for block in net.blocks:  # without attention between places each is decoded alone
        nn.init.zeros_(block.self_attn.out_proj.weight)
    net.encoder = rn.Sequential(nn.Conv2d(2, 8, 2, stride=2))  # sees its patch alone
    before = net(inputs)
    _, visible_BL = net.encode(inputs)
    for place in (0, 5, 10, 15):
        moved = inputs.clone()
        row, column = divmod(place, 4)
        moved[:, :, :2, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += 1
        changed = (net(moved) != before).any(-1)
        expected = torch.zeros_like(visible_BL)
        expected[:, place] = visible_BL[:, place]
        assert torch.equal(changed, expected)


def test_a_mask_token_and_a_place_stand_for_what_is_hidden():
    inputs, _ = batch()
    net, seen = made(), {}
    net.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    net(inputs)
    _, visible_BL = net.encode(inputs)
    expected = (net.mask_token + places(4, 16)).expand(6, -1, -1)
    torch.testing.assert_close(seen["x"][~visible_BL], expected[~visible_BL])
    assert not torch.allclose(seen["x"][visible_BL], expected[visible_BL])


def test_places_are_sines_and_cosines_of_row_and_column():
    found = places(3, 8)
    for row, column in np.ndindex(3, 3):
        expected = [
            wave(at / 10_000 ** (i / 2)) for at in (row, column) for wave in (math.sin, math.cos) for i in range(2)
        ]
        np.testing.assert_allclose(found[3 * row + column], expected, rtol=1e-6, atol=1e-7)


def test_the_error_is_that_of_hidden_patches_alone():
    _, targets = batch()
    predicted = torch.randn(6, 16, 8, generator=generator(3))
    terms = [
        float(((predicted[b, i] - targets[b, i, 1:]) ** 2).mean()) for b, i in np.ndindex(6, 16) if targets[b, i, 0]
    ]
    assert len(terms) == 6 * 8
    np.testing.assert_allclose(hidden_error(predicted, targets), np.mean(terms), rtol=1e-5)


def test_gradients_reach_encoder_token_and_decoder():
    inputs, targets = batch()
    net = made().train()
    hidden_error(net(inputs), targets).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.encoder[0].conv.weight.grad.any()
    assert net.mask_token.grad.any()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"MaskedAutoencoder: expected an encoder that gives 2 x 2 positions, got"):
        made(side=2)(batch()[0])
    with pytest.raises(ConfigError, match=r"Decoder: expected numbers >= 1, channels a multiple of 4 and of the heads"):
        Decoder(channels=6)
