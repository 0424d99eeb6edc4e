"""Letters: T time, B batch, C channels, H W space, K classes."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError
from ranvier.measure import operations
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.vision import spikformer_v2
from ranvier.systems.vision.images import Images
from ranvier.systems.vision.masked_autoencoder import Decoder
from ranvier.systems.vision.spikformer_v2 import Config, Net, Pretraining
from ranvier.train import Train

IMAGES = Images(source="nmnist", limit=20, test_limit=10, steps=1, shrink=4, batch_size=10)
TINY = Config(
    net=Net(stages=(4, 8), convolutions=(1, 0), depth=2, heads=2),
    pretraining=Pretraining(images=IMAGES, decoder=Decoder(channels=8, depth=1, heads=2), train=Train(epochs=1)),
    task=replace(IMAGES, steps=2),
    layer_decay=0.5,
    train=Train(epochs=1),
)


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def shaken(config=TINY):
    net = spikformer_v2.build(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.uniform_(0.02, 0.3, generator=generator)
                module.bias.uniform_(0.0, 1.5, generator=generator)
    return net


def images(steps=3):
    return torch.rand(steps, 2, 2, 8, 8, generator=torch.Generator().manual_seed(2))


def test_the_largest_reconstruction_is_within_two_percent_of_the_published_size():
    with torch.device("meta"):
        net = spikformer_v2.network(spikformer_v2.V2_16_768, channels=3, num_classes=1000)
    assert abs(sum(p.numel() for p in net.parameters()) / 172e6 - 1) < 0.02


def test_every_layer_of_weights_but_the_first_sees_spikes_alone():
    net, seen = shaken(), {}
    for path, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(lambda module, inputs, path=path: seen.update({path: inputs[0]}))
    net(images())
    first = "encoder.stem.down1.conv"
    assert len(seen) == 1 + 2 + 1 + 2 * (4 + 2)
    for path, x in seen.items():
        assert (set(x.unique().tolist()) <= {0.0, 1.0}) is (path != first), path


def test_residuals_carry_currents_not_spikes():
    net, seen = shaken(), {}
    net["encoder"]["block2"].register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    net(images())
    assert seen["x"].unique().numel() > 100


def test_the_stem_halves_the_image_at_every_stage():
    net, seen = shaken(), {}
    for name in ("down1", "down2"):
        net["encoder"]["stem"][name].register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: tuple(output.shape[-3:])})
        )
    net(images())
    assert seen == {"down1": (4, 4, 4), "down2": (8, 2, 2)}


def test_learning_rates_fall_from_the_head_to_the_stem():
    scales = {name: spikformer_v2.lr_scale(TINY, name) for name, _ in spikformer_v2.build(TINY).named_parameters()}
    assert {s for n, s in scales.items() if n.startswith("head")} == {1.0}
    assert {s for n, s in scales.items() if ".block2." in n} == {0.5}
    assert {s for n, s in scales.items() if ".block1." in n} == {0.25}
    assert {s for n, s in scales.items() if ".stem." in n} == {0.125}


def test_pre_training_changes_the_encoder_of_the_classifier_and_not_its_head():
    net = spikformer_v2.build(TINY)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    spikformer_v2.pretrainer(TINY, net.get_submodule("encoder")).fit()
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split(".")[0] for name in changed} == {"encoder"}
    assert {"encoder.stem.down1.conv.weight", "encoder.block2.mlp.branch.1.conv.weight"} <= changed


def test_measuring_twice_gives_the_same_and_the_control_skips_pre_training():
    first, again = (spikformer_v2.measure(TINY, 3, quiet) for _ in range(2))
    assert first == again
    assert first["reconstruction"] > 0
    control = spikformer_v2.measure(replace(TINY, pretrained=False), 3, quiet)
    assert "reconstruction" not in control
    assert 0 < control["rate"] < 1


def test_a_run_trains_twice_goes_on_where_it_stands_and_leaves_results(tmp_path):
    run = Run.create(tmp_path / "run", name="spikformer-v2", config={})
    assert spikformer_v2.train(TINY, run.folder, quiet) == ""
    steps = Run.open(run.folder / "pretraining").newest().checkpoint.step
    assert spikformer_v2.train(TINY, run.folder, quiet) == ""
    assert Run.open(run.folder / "pretraining").newest().checkpoint.step == steps == 2
    assert Results.read(run.folder / "results.json").title == "Spikformer V2 on pictures of N-MNIST events"


def test_a_stream_of_frames_is_the_whole_and_it_is_one_graph():
    net, x_TB = shaken(replace(TINY, net=replace(TINY.net, depth=1, convolutions=(0, 0)))), images()
    stream = net.stream(batch=2)
    with torch.no_grad():
        whole = net(x_TB)
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x_TB]), whole, rtol=1e-4, atol=1e-5)
        compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x_TB), whole, rtol=1e-4, atol=1e-5)


def test_all_but_the_first_layer_are_additions():
    counted = operations(shaken(), images())
    with_products = {path for path, layer in counted.layers.items() if layer.macs}
    assert with_products == {"encoder.stem.down1.conv", "head"}  # the head reads means of spikes
    assert isinstance(shaken(), rn.Sequential)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["net.stages=[4, 9]"], r"spikformer-v2: net\.stages: expected numbers >= 1, the last a multiple of the 2 heads"),
        (["net.convolutions=[1]"], r"spikformer-v2: net\.convolutions: expected 2 numbers >= 0, one a stage, got \(1,\)"),
        (["net.depth=0"], r"spikformer-v2: net\.depth: expected at least 1, got 0"),
        (["layer_decay=1.5"], r"spikformer-v2: layer_decay: expected a factor in \(0, 1\], got 1\.5"),
        (["task.shrink=3"], r"spikformer-v2: task: expected images whose side is a multiple of 4 pixels, got 11"),
        (["task.pad=2"], r"spikformer-v2: pretraining\.images: expected images of 2 x 12 x 12, as the task has, got 2 x 8"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        override(TINY, options)


def test_the_control_differs_from_the_claim_by_the_pre_training_only():
    claim = spikformer_v2.SYSTEM.claim
    for side in (claim, claim.fast):
        if side is not None:
            assert replace(side.control, pretrained=True) == side.config
