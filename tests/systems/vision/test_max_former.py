"""Letters: T time, B batch, C channels, H W space, K classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.nn import Sequential, Spiking, observe
from ranvier.systems.config import override
from ranvier.systems.vision import max_former as system
from ranvier.systems.vision.classifier import NEURON
from ranvier.systems.vision.images import Images
from ranvier.train import Train

TINY = system.Config(
    net=system.Net(channels=16, heads=2, mixers=("identity", "dwc3", "ssa"), blocks=(1, 1, 1)),
    task=Images(source="nmnist", limit=20, test_limit=20, steps=2, shrink=2, batch_size=10),
    train=Train(epochs=1),
)


def count(net, num_classes=10, channels=3):
    return sum(p.numel() for p in system.network(net, channels=channels, num_classes=num_classes).parameters())


@pytest.mark.parametrize(
    ("net", "num_classes", "parameters"),
    [
        (system.Net(), 10, 6_568_282),
        (system.Net(), 100, 6_602_932),
        (system.IMAGENET, 1000, 16_237_240),
        (replace(system.IMAGENET, channels=512, heads=8), 1000, 28_653_480),
        (replace(system.IMAGENET, channels=768, heads=12), 1000, 63_992_200),
        (system.RESNET18, 10, 12_502_090),
    ],
)
def test_parameters_are_as_many_as_published(net, num_classes, parameters):
    assert count(net, num_classes) == parameters


@pytest.mark.parametrize(
    ("net", "channels", "side"),
    [
        (replace(TINY.net, stem="imagenet"), 3, 32),
        (replace(TINY.net, stem="dvs", mixers=("dwc3", "ssa"), blocks=(1, 1), channels=32), 2, 32),
        (system.Net(kind="resnet", blocks=(1, 2, 1), widths=(4, 8, 8, 12)), 3, 16),
        (replace(TINY.net, mixers=("max", "avg", "identity"), pools="avg"), 3, 16),
    ],
)
def test_every_shape_runs_and_learns_everywhere(net, channels, side):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = system.network(net, channels=channels, num_classes=5)
        x = 3 * torch.rand(2, 2, channels, side, side)
    out = made(x)
    assert out.shape == (2, 2, 5)
    out.square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name


def test_the_membrane_is_the_low_pass_filter_that_the_paper_analyses():
    steps = 4096
    noise = torch.randn(steps, 1, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    neuron = NEURON.replace(v_th=1e9)
    v, seen = torch.zeros(1, 8, dtype=torch.float64), []
    for x in noise:
        state, _ = neuron.step(neuron.State(v=v), x, dt=1.0)
        v = state.v
        seen.append(v)
    gain = np.abs(np.fft.rfft(torch.stack(seen)[:, 0].numpy(), axis=0)) / np.abs(
        np.fft.rfft(noise[:, 0].numpy(), axis=0)
    )
    assert np.median(gain[:60]) == pytest.approx(1.0, rel=0.05)
    assert np.median(gain[-60:]) == pytest.approx(1 / 3, rel=0.05)  # 1 / (2 tau - 1)


def test_behind_the_first_convolution_every_product_sees_spikes():
    net = system.build(TINY).eval()
    seen = {}
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: args[0].detach()}))
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.fill_(3.0)
        net(3 * torch.rand(2, 2, 2, 17, 17, generator=torch.Generator().manual_seed(1)))
    first = "embed1.0.conv"
    assert not set(seen[first].unique().tolist()) <= {0.0, 1.0}
    others = {name: set(x.unique().tolist()) for name, x in seen.items() if name != first}
    assert all(values <= {0.0, 1.0} for values in others.values()), others
    assert sum(1.0 in values for values in others.values()) >= len(others) / 2


@pytest.mark.parametrize(
    ("net", "means_spikes"),
    [(TINY.net, False), (system.Net(kind="resnet", blocks=(1, 1, 1), widths=(4, 8, 8, 12)), True)],
)
def test_a_resnet_means_spikes_over_space_and_a_former_currents(net, means_spikes):
    head = system.network(net, channels=3, num_classes=5)["head"]
    at = next(place for place, layer in enumerate(head) if isinstance(layer, torch.nn.AdaptiveAvgPool2d))
    assert any(isinstance(layer, Spiking) for layer in list(head)[:at]) == means_spikes
    assert any(isinstance(layer, Spiking) for layer in list(head)[at:]) != means_spikes


def test_embeddings_pool_currents_and_not_spikes():
    names = [type(module).__name__ for module in system._embed(8, 16, system.Net()).modules()]
    assert names.count("MaxPool2d") == 2
    net = system._embed(2, 4, system.Net())
    with observe(Sequential(net)) as seen:
        net(3 * torch.rand(1, 1, 2, 8, 8))
    assert all(s.spikes_TB.shape[-2:] in ((8, 8), (4, 4)) for s in seen.values())


def test_it_trains_measures_and_saves(tmp_path):
    first, again = (dict(system.measure(TINY, 1, lambda fraction, words: None)) for _ in range(2))
    assert first == again
    assert set(first) == {"accuracy", "rate", "energy_nj", "high"}
    assert 0 <= first["high"] < 1
    net, other = system.build(TINY), system.build(replace(TINY, seed=5))
    other.load_state_dict(net.state_dict())
    x = torch.rand(2, 1, 2, 17, 17)
    assert torch.equal(net.eval()(x), other.eval()(x))


def test_a_resnet_beside_it_is_measured_as_if_alone_and_changes_nothing():
    def quiet(fraction, words):
        del words
        assert 0 <= fraction <= 1

    resnet = system.Net(kind="resnet", blocks=(1, 1, 1), widths=(4, 4, 8, 8), pools="avg")
    both = dict(system.measure(replace(TINY, resnet=resnet, resnet_test=10), 1, quiet))
    alone = system.measure(replace(TINY, net=resnet, task=replace(TINY.task, test_limit=10)), 1, quiet)
    assert {name: both.pop(f"resnet_{name}") for name in ("accuracy", "high")} == {
        name: alone[name] for name in ("accuracy", "high")
    }
    assert both == dict(system.measure(TINY, 1, quiet))


def test_max_resnet_pools_currents_where_it_halves_its_maps_by_what_it_is_told():
    for pools, kind in (("max", torch.nn.MaxPool2d), ("avg", torch.nn.AvgPool2d)):
        net = system.network(replace(system.SMALL_RESNET, pools=pools), channels=3, num_classes=10)
        found = {path for path, module in net.named_modules() if isinstance(module, kind)}
        assert found == {"layer2_1.branch.2", "layer3_1.branch.2"}, pools
    claim = system.SYSTEM.claim
    assert (claim.config.resnet.pools, claim.control.resnet.pools) == ("max", "avg")


def test_a_stream_gives_what_the_sequence_gives():
    net = system.build(TINY).eval()
    x = 3 * torch.rand(4, 2, 2, 17, 17, generator=torch.Generator().manual_seed(3))
    stream = net.stream(batch=2)
    torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("net.channels=24", "a multiple of 16 and of the 8 heads, got 24"),
        ("net.mixers=[ssa, ssa]", "3 mixers and 3 numbers of blocks"),
        ("net.kind=transformer", "'former' or 'resnet'"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, text):
    with pytest.raises(ConfigError, match=text):
        override(system.Config(), [option])
