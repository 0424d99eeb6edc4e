"""Letters: T time, B batch, C channels, H W space, K classes, d of a head, N positions."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError
from ranvier.measure import operations
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.vision import spikformer
from ranvier.systems.vision.images import Images
from ranvier.systems.vision.spikformer import CIFAR10, DVS, IMAGENET, Config, Net
from ranvier.train import Train

TINY = Config(
    net=Net(depth=2, channels=16, heads=4, pools=(3, 4)),
    task=Images(source="nmnist", limit=20, test_limit=10, steps=3, shrink=4, batch_size=10),
    train=Train(epochs=1),
)


def count(net, **shape):
    with torch.device("meta"):
        made = spikformer.network(net, **shape)
    return sum(p.numel() for p in made.parameters())


@pytest.mark.parametrize(
    ("depth", "channels", "expected", "published"),
    [
        (8, 384, 16_816_024, 16.81), (6, 512, 23_373_352, 23.37), (8, 512, 29_689_384, 29.68),
        (10, 512, 36_005_416, 36.01), (8, 768, 66_338_632, 66.34),
    ],
)  # fmt: skip
def test_imagenet_variants_have_the_published_parameters(depth, channels, expected, published):
    got = count(replace(IMAGENET, depth=depth, channels=channels), channels=3, side=224, num_classes=1000)
    assert got == expected
    assert abs(got / 1e6 - published) < 0.01


@pytest.mark.parametrize(
    ("depth", "channels", "heads", "expected", "published"),
    [(4, 256, 8, 4_155_178, 4.15), (2, 384, 12, 5_765_050, 5.76), (4, 384, 12, 9_324_730, 9.32)],
)
def test_cifar_variants_have_the_published_parameters(depth, channels, heads, expected, published):
    net = replace(CIFAR10.net, depth=depth, channels=channels, heads=heads)
    got = count(net, channels=3, side=32, num_classes=10)
    assert got == expected
    assert abs(got / 1e6 - published) < 0.01


def test_the_event_variant_has_the_published_parameters():
    assert round(count(DVS, channels=2, side=128, num_classes=10) / 1e6, 2) == 2.57


def test_the_norms_that_nothing_calls_are_four_channels_a_block():
    shape = {"channels": 3, "side": 32, "num_classes": 10}
    more = count(replace(CIFAR10.net, layer_norms=True), **shape) - count(CIFAR10.net, **shape)
    assert more == 4 * 4 * 384


def shaken(config=TINY):
    """A network in evaluation whose norms have statistics of their own, so that neurons of every layer fire."""
    net = spikformer.build(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.uniform_(0.02, 0.3, generator=generator)
                module.bias.uniform_(0.5, 2.5, generator=generator)
    return net


def images(config=TINY, steps=3):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(steps, 2, config.task.channels, config.task.side, config.task.side, generator=generator)


def lif(x):
    v, out = np.zeros(x.shape[1:]), []
    for current in x:
        h = v + (current - v) / 2
        out.append((h >= 1).astype(float))
        v = h * (1 - out[-1])
    return np.stack(out)


def test_every_block_gets_whole_numbers_of_at_most_two_a_block_and_two_of_the_stem():
    net, seen = shaken(), {}
    for number in (1, 2):
        block = net[f"block{number}"]
        block.register_forward_pre_hook(lambda module, inputs, number=number: seen.update({number: inputs[0]}))
    net(images())
    for number in (1, 2):
        values = seen[number].unique().tolist()
        assert set(values) <= set(range(2 * number + 1))
        assert max(values) > 0


def test_the_stem_adds_the_spikes_of_its_last_convolution_to_what_it_sees():
    net = shaken()
    stem, x_TB = net["stem"], images()
    with torch.no_grad():
        for name in ("conv1", "conv2", "conv3", "conv4"):
            x_TB = stem[name](x_TB)
            assert set(x_TB.unique().tolist()) == {0.0, 1.0}
        conv, norm = stem["position"].branch[0]
        current = norm(conv(x_TB.flatten(0, 1))).unflatten(0, x_TB.shape[:2])
        expected = x_TB.numpy() + lif(current.numpy())
        np.testing.assert_array_equal(net["stem"](images()), expected)


def test_neurons_come_before_the_pooling():
    unit = list(spikformer.build(TINY)["stem"]["conv3"].children())
    assert [type(layer).__name__ for layer in unit] == ["Sequential", "Spiking", "MaxPool2d"]


def test_the_read_out_is_linear_in_the_mean_over_positions():
    net, seen = shaken(), {}
    net["block2"].register_forward_hook(lambda module, inputs, output: seen.update(x=output))
    y = net(images())
    head = net["head"]
    expected = (
        seen["x"].detach().flatten(3).mean(3).numpy() @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    )
    np.testing.assert_allclose(y.detach(), expected, rtol=1e-4, atol=1e-5)


def test_the_products_of_attention_are_additions_and_take_the_cheaper_order():
    counted = operations(shaken(), images())
    for number in (1, 2):
        product = counted.layers[f"block{number}.attention.branch.0.product"]
        heads, size, places = 4, 4, 4  # 8 x 8 pixels, halved twice
        assert product.dense == 3 * heads * 2 * size * places * min(size, places)
        assert product.macs == 0
        assert product.acs > 0


def weights(net):
    return {name: hashlib.sha256(p.detach().numpy().tobytes()).hexdigest() for name, p in net.named_parameters()}


def test_random_attention_has_the_same_weights_and_trains_all_but_queries_and_keys():
    plain, random = (
        spikformer.build(replace(TINY, net=replace(TINY.net, attention=kind))) for kind in ("ssa", "random")
    )
    assert weights(plain) == weights(random)
    frozen = {name for name, p in random.named_parameters() if not p.requires_grad}
    assert frozen == {n for n in weights(plain) if ".query." in n or ".key." in n}
    assert all(p.requires_grad for p in plain.parameters())


def test_the_patch_stem_cuts_patches_that_do_not_overlap_and_learns_positions():
    config = replace(TINY, net=replace(TINY.net, stem="patch"))
    net = spikformer.build(config)
    conv, _, _, position = net["stem"].children()
    assert conv.kernel_size == conv.stride == (4, 4)
    assert position.weight.shape == (16, 2, 2)
    assert not position.weight.any()
    assert net(images()).shape == (3, 2, 10)


def test_the_seed_alone_decides_the_weights():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    nets = [weights(spikformer.build(replace(TINY, seed=seed))) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert nets[0] == nets[1] != nets[2]


def test_a_stream_of_frames_is_the_whole():
    net, x_TB = shaken(), images()
    stream = net.stream(batch=2)
    with torch.no_grad():
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x_TB]), net(x_TB), rtol=1e-4, atol=1e-5)


def test_it_is_one_graph_for_the_compiler():
    net, x_TB = shaken(replace(TINY, net=replace(TINY.net, depth=1))), images()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x_TB), net(x_TB), rtol=1e-4, atol=1e-5)


def test_a_training_leaves_weights_and_results_and_options_reach_it(tmp_path):
    config = override(TINY, ["train.epochs=2", "net.depth=1", "task.mix.mixup=0.5"])
    run = Run.create(tmp_path / "run", name="spikformer", config={})
    assert spikformer.train(config, run.folder, lambda fraction, words, **figures: None) == ""
    results = Results.read(run.folder / "results.json")
    assert results.title == "Spikformer on pictures of N-MNIST events"
    assert run.newest() is not None
    assert config.net.depth == 1


def test_measuring_twice_gives_the_same():
    first, again = (spikformer.measure(TINY, 3, lambda fraction, words: None) for _ in range(2))
    assert first == again
    assert 0 < first["rate"] < 1
    assert first["energy_nj"] > 0


def test_saved_weights_give_the_same_answers(tmp_path):
    from safetensors.torch import load_file, save_file

    net, other = shaken(), spikformer.build(replace(TINY, seed=5)).eval()
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / "w.safetensors")
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(net(images()), other(images()))
    assert isinstance(net, rn.Sequential)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["net.channels=20"], r"spikformer: net\.channels: expected a multiple of 8 and of the 4 heads, got 20"),
        (["net.pools=[3, 3]"], r"spikformer: net\.pools: expected numbers from 1 to 4, each once, got \(3, 3\)"),
        (["net.depth=0"], r"spikformer: net\.depth: expected at least 1, got 0"),
        (["task.shrink=3"], r"spikformer: task: expected images whose side is a multiple of 4 pixels, got 11\. Set"),
    ],
)
def test_impossible_options_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        override(TINY, options)


def test_the_control_differs_from_the_claim_by_the_mechanism_only():
    claim = spikformer.SYSTEM.claim
    for side in (claim, claim.fast):
        if side is not None:
            assert [f for f in ("seed", "task", "train") if getattr(side.config, f) != getattr(side.control, f)] == []


def test_a_leak_that_is_learned_begins_as_the_published_one_and_learns_and_no_leak_differs():
    nets = {name: spikformer.build(replace(TINY, net=replace(TINY.net, neuron=name))) for name in ("lif", "plif", "if")}
    leaks = {name for name, _ in nets["plif"].named_parameters()} - {name for name, _ in nets["lif"].named_parameters()}
    layers = [path for path, module in nets["lif"].named_modules() if isinstance(module, rn.Spiking)]
    assert len(leaks) == len(layers) > 10
    for name in ("plif", "if"):
        missing, unexpected = nets[name].load_state_dict(shaken().state_dict(), strict=False)
        assert set(missing) == (leaks if name == "plif" else set())
        assert not unexpected
    x = images()
    plain, learned, integrating = (nets[name].eval()(x) for name in ("lif", "plif", "if"))
    plain = shaken()(x)
    torch.testing.assert_close(learned, plain, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(integrating, plain, atol=1e-3)
    learned.sum().backward()
    moved = [p for name, p in nets["plif"].named_parameters() if name in leaks and p.grad is not None and p.grad != 0]
    assert len(moved) > len(leaks) / 2
