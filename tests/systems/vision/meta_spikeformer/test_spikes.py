"""Letters: T time, B batch, C channels, N tokens, D channels of a head."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import ranvier.nn as rn
from ranvier.measure.operations import operations
from ranvier.systems.vision.meta_spikeformer.dense import Detector, Segmenter
from ranvier.systems.vision.meta_spikeformer.model import Model, classifier
from ranvier.systems.vision.meta_spikeformer.spikes import (
    binary_share,
    driven,
    inference_energy_nj,
    published_energy_nj,
)

MODEL = Model(widths=(3, 4, 4, 4, 6), blocks=(1, 1, 1, 2, 1), strides=(2, 1, 2, 1, 1), heads=2, start="threshold")
HEADS = {
    "classify": lambda model: classifier(model, in_channels=2, num_classes=5),
    "segment": lambda model: Segmenter(model, in_channels=2, num_classes=5, width=4),
    "detect": lambda model: Detector(model, in_channels=2, num_classes=5, width=4),
}


def build(model=MODEL, head="classify", seed=0):
    """Build a network in which neurons fire: random gains, and the statistics of some pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = HEADS[head](model).train()
        norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
        with torch.no_grad():
            for norm in norms:
                norm.weight.uniform_(2.0, 4.0)
                norm.momentum = 1.0
            net(torch.randn(2, 8, 2, 8, 8))
    return net.eval()


def pictures(steps=2, batch=2, side=8, seed=0):
    return torch.randn(steps, batch, 2, side, side, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=8)
@given(
    st.sampled_from(["sdsa1", "sdsa2", "sdsa3", "sdsa4", "identity"]), st.sampled_from(["membrane", "vanilla"]),
    st.sampled_from(sorted(HEADS)), st.integers(1, 3), st.integers(4, 9), st.integers(0, 99),
)  # fmt: skip
def test_every_weight_layer_but_the_first_sees_zeros_and_ones_only(attention, shortcut, head, steps, side, seed):
    net = build(replace(MODEL, attention=attention, shortcut=shortcut), head, seed)
    x = 3 * pictures(steps, 1, side, seed)
    first, *others = driven(net, x).values()
    assert not first.binary
    assert all(seen.binary for seen in others)
    assert binary_share(net, x) == 1.0


def test_shortcuts_that_add_spikes_to_spikes_bring_counts_into_the_weights():
    net, x = build(replace(MODEL, shortcut="spike")), pictures()
    assert binary_share(net, x) < 0.9
    largest = []
    layer = net["backbone"]["stage2"]["channels1"].branch[0]
    layer.register_forward_pre_hook(lambda module, inputs: largest.append(float(inputs[0].max())))
    with torch.no_grad():
        net(x)
    assert max(largest) >= 2


def test_on_the_folded_network_too_only_the_pointwise_half_of_a_separable_convolution_sees_sums():
    found = operations(rn.simplify(build()), pictures()).layers
    multiplying = {path.replace("backbone.", "") for path, layer in found.items() if layer.macs}
    assert multiplying == {"stage1a.down.0"} | {f"stage{s}.mixer1.branch.4.1" for s in ("1a", "1b", "2")}
    assert sum(layer.acs > 0 for layer in found.values()) > 20


def test_without_attention_the_operations_fall_by_its_closed_form():
    side = 4  # of the maps of stages 3 and 4, for pictures of 16
    model = replace(MODEL, strides=(2, 1, 2, 1, 1))
    x, dense = pictures(3, 2, 16), {}
    for attention in ("sdsa3", "identity"):
        found = operations(rn.simplify(build(replace(model, attention=attention))), x)
        dense[attention] = found.dense
    tokens, inner = side * side, (3 * side - 2) ** 2  # a 3 x 3 convolution meets no weights beyond the border
    expected = 0
    for width, blocks in ((4, 2), (6, 1)):
        projections = 2 * inner * width * width  # of queries and of keys
        products = 2 * tokens * width * (width // 2)  # Q (K^T V): twice N C D, heads = 2
        expected += 3 * blocks * (projections + products)  # three time steps
    assert dense["sdsa3"] - dense["identity"] == expected


def test_rates_are_shares_of_inputs_that_are_not_zero():
    net, x, kept = build(), pictures(), []
    layer = net["backbone"]["stage2"]["down"][1]
    layer.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    found = driven(net, x)["backbone.stage2.down.1"]
    assert found.rate == pytest.approx(float((kept[0] != 0).double().mean()))
    assert 0 < found.rate < 1


def test_the_papers_energy_is_its_formula_written_out():
    net, x = build(), pictures(3, 2, 16)
    rates = driven(net, x)
    sides = {"1a": 8, "1b": 8, "2": 4, "3": 4, "4": 4}
    widths = dict(zip(sides, (3, 4, 4, 4, 6), strict=True))
    sums, products = {}, 0.0
    before = 2
    for stage, width in widths.items():
        places, name = sides[stage] ** 2, f"backbone.stage{stage}"
        kernel, at = (49, 0) if stage == "1a" else (9, 1)
        sums[f"{name}.down.{at}"] = places * kernel * before * width
        for block in range(1, 1 + {"3": 2}.get(stage, 1)):
            mixer, channels = f"{name}.mixer{block}.branch", f"{name}.channels{block}.branch"
            if stage in ("3", "4"):
                for part in ("q", "k", "v"):
                    sums[f"{mixer}.1.spikes.{part}.0"] = places * 9 * width * width
                sums[f"{mixer}.1.out.0"] = places * 9 * width * width
                sums[f"{channels}.1"] = sums[f"{channels}.4"] = places * 4 * width * width
            else:
                sums[f"{mixer}.1"] = places * 2 * width * width
                sums[f"{mixer}.4"] = places * (49 * 2 * width + 2 * width * width)
                sums[f"{channels}.1"] = sums[f"{channels}.4"] = places * 9 * 4 * width * width
        before = width
    sums["head.read"] = 6 * 5
    assert sums.keys() == rates.keys()
    counted = operations(net, x).layers
    products = sum(layer.acs for path, layer in counted.items() if path.endswith("attend.product"))
    first = sums.pop("backbone.stage1a.down.0")
    expected = 4.6 * first + 0.9 * (3 * sum(rates[path].rate * size for path, size in sums.items()) + products)
    assert published_energy_nj(net, x) == pytest.approx(expected / 1000, rel=1e-9)
    assert products > 0
    assert inference_energy_nj(net, x) > 0


def test_looking_changes_nothing():
    net, x = build().train(), pictures()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    driven(net, x)
    published_energy_nj(net, x)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in net.modules())
