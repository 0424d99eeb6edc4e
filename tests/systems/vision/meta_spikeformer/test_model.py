"""The oracle is the paper's network written out in numpy, 64 bits. Letters: T time, B batch, C channels, H W space."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.systems.vision.meta_spikeformer.model import M15, M31, M55, M123, Model, classifier

MODEL = Model(widths=(3, 4, 4, 10, 16), blocks=(1, 1, 0, 1, 1), strides=(2, 1, 1, 1, 1), heads=2)


def settled(net, seed=0):
    """Give norms statistics far from those they start with, and gains at which neurons fire."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            if "running_var" in name:
                value.uniform_(0.05, 0.5, generator=generator)
            elif "running_mean" in name:
                value.normal_(std=0.2, generator=generator)
            elif value.ndim == 1 and name.endswith("weight"):
                value.uniform_(1.0, 3.0, generator=generator)
            elif value.ndim == 1:
                value.normal_(std=1.0, generator=generator)
        last = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)][-1]
        last.bias.uniform_(0.5, 2.5, generator=generator)  # some read-out neurons fire at once, some later, some never
    return net.eval()


def make(model=MODEL, num_classes=5, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return settled(classifier(model, in_channels=2, num_classes=num_classes), seed)


def pictures(num_steps=3, batch=2, side=9, seed=0):
    return torch.randn(num_steps, batch, 2, side, side, generator=torch.Generator().manual_seed(seed))


class Twin:
    """The network by its equations, from the weights of ours."""

    def __init__(self, net, heads):
        self.w = {name: value.double().numpy() for name, value in net.state_dict().items()}
        self.heads = heads

    def conv(self, x, name, stride=1, pad=0, groups=1):
        weight, bias = self.w[f"{name}.weight"], self.w.get(f"{name}.bias")
        x = np.pad(x, [(0, 0)] * 3 + [(pad, pad)] * 2)
        size = weight.shape[-1]
        height, width = ((n - size) // stride + 1 for n in x.shape[-2:])
        y = np.zeros((*x.shape[:2], len(weight), height, width))
        for i in range(size):
            for j in range(size):
                part = x[..., i : i + stride * height : stride, j : j + stride * width : stride]
                if groups == 1:
                    y += np.einsum("oc,tbchw->tbohw", weight[:, :, i, j], part)
                else:
                    y += weight[:, 0, i, j][:, None, None] * part
        return y if bias is None else y + bias[:, None, None]

    def norm(self, x, name):
        gain = self.w[f"{name}.weight"] / np.sqrt(self.w[f"{name}.running_var"] + 1e-5)
        return (x - self.w[f"{name}.running_mean"][:, None, None]) * gain[:, None, None] + self.w[f"{name}.bias"][
            :, None, None
        ]

    def lif(self, x, v_th=1.0):
        v, spikes = np.zeros_like(x[0]), []
        for current in x:
            h = v + (current - v) / 2
            s = (h >= v_th).astype(float)
            v = h * (1 - s)
            spikes.append(s)
        return np.stack(spikes)

    def repconv(self, x, name):
        y = self.conv(x, f"{name}.0.expand")
        border = self.norm(np.zeros((1, 1, y.shape[2], 1, 1)), f"{name}.0.border.norm")
        wide = np.broadcast_to(border, (*y.shape[:3], y.shape[3] + 2, y.shape[4] + 2)).copy()
        wide[..., 1:-1, 1:-1] = self.norm(y, f"{name}.0.border.norm")
        y = self.conv(wide, f"{name}.0.depthwise", groups=y.shape[2])
        return self.norm(self.norm(self.conv(y, f"{name}.0.project"), f"{name}.0.norm"), f"{name}.1")

    def attention(self, u, name):
        x = self.lif(u)
        q, k, v = (self.lif(self.repconv(x, f"{name}.1.spikes.{part}")) for part in "qkv")
        steps, batch, channels = q.shape[:3]
        rows = [s.reshape(steps, batch, self.heads, channels // self.heads, -1).swapaxes(-1, -2) for s in (q, k, v)]
        scores = rows[0] @ (rows[1].swapaxes(-1, -2) @ rows[2]) * 0.125
        current = scores.swapaxes(-1, -2).reshape(q.shape)
        return self.repconv(self.lif(current, 0.5), f"{name}.1.out")

    def two_layers(self, u, name, pad):
        y = self.norm(self.conv(self.lif(u), f"{name}.1", pad=pad), f"{name}.2")
        return self.norm(self.conv(self.lif(y), f"{name}.4", pad=pad), f"{name}.5")

    def separable(self, u, name):
        y = self.lif(self.norm(self.conv(self.lif(u), f"{name}.1"), f"{name}.2"))
        y = self.conv(self.conv(y, f"{name}.4.0", pad=3, groups=y.shape[2]), f"{name}.4.1")
        return self.norm(y, f"{name}.4.2")

    def __call__(self, x, model):
        u = x.double().numpy()
        for number, stage in enumerate(("1a", "1b", "2", "3", "4")):
            name, first = f"backbone.stage{stage}", number == 0
            at = 0 if first else 1
            u = u if first else self.lif(u)
            u = self.conv(u, f"{name}.down.{at}", stride=model.strides[number], pad=3 if first else 1)
            u = self.norm(u, f"{name}.down.{at + 1}")
            for block in range(1, model.blocks[number] + 1):
                if number < 3:
                    u = u + self.separable(u, f"{name}.mixer{block}.branch")
                    u = u + self.two_layers(u, f"{name}.channels{block}.branch", pad=1)
                else:
                    u = u + self.attention(u, f"{name}.mixer{block}.branch")
                    u = u + self.two_layers(u, f"{name}.channels{block}.branch", pad=0)
        spikes = self.lif(u.mean((-1, -2)))
        return spikes @ self.w["head.read.weight"].T + self.w["head.read.bias"]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("side", [9, 4])
def test_the_network_is_that_of_the_paper_written_out(seed, side):
    net, x = make(seed=seed).double(), pictures(side=side, seed=seed).double()
    with torch.no_grad(), rn.observe(net, record=()) as seen:
        y = net(x)
    np.testing.assert_allclose(y.numpy(), Twin(net, 2)(x, MODEL), rtol=1e-9, atol=1e-9)
    rates = {path: float(layer.spikes_TB.mean()) for path, layer in seen.items()}
    assert sum(0 < rate < 1 for rate in rates.values()) > 0.6 * len(rates), rates


@pytest.mark.parametrize(
    ("model", "published"), [(M15, 15_112_208), (M31, 31_333_864), (M55, 55_350_248), (M123, 123_741_160)]
)
def test_the_published_networks_have_the_published_numbers_of_parameters(model, published):
    assert sum(p.numel() for p in classifier(model, in_channels=3, num_classes=1000).parameters()) == published


def test_a_second_read_out_adds_its_weights_and_biases():
    sizes = [
        sum(p.numel() for p in classifier(replace(MODEL, distil=d), in_channels=3, num_classes=7).parameters())
        for d in (False, True)
    ]
    assert sizes[1] - sizes[0] == MODEL.widths[-1] * 7 + 7


def test_with_two_read_outs_training_gives_both_and_evaluation_their_mean():
    net, x = make(replace(MODEL, distil=True)), pictures()
    heads = net["head"]["read"]
    with torch.no_grad():
        heads.labels.weight.add_(1.0)
        mean = net(x)
        heads.train()
        both = net(x)
    assert both.shape == (3, 2, 2, 5)
    torch.testing.assert_close(mean, both.mean(2))
    assert not torch.equal(both[:, :, 0], both[:, :, 1])


@pytest.mark.parametrize("attention", ["sdsa1", "sdsa2", "sdsa3", "sdsa4", "identity"])
def test_folded_for_inference_it_gives_the_same(attention):
    net, x = make(replace(MODEL, attention=attention)).double(), pictures().double()
    small = rn.simplify(net)
    with torch.no_grad():
        torch.testing.assert_close(small(x), net(x), rtol=0, atol=1e-5)
        assert net(x).unique().numel() > 5
    kinds = {type(module).__name__ for module in small.modules()}
    assert not kinds & {"BatchNorm2d", "RepConv", "PaddedBatchNorm2d"}


@pytest.mark.parametrize("attention", ["sdsa1", "sdsa3"])
@pytest.mark.parametrize("shortcut", ["membrane", "vanilla", "spike"])
def test_a_stream_gives_what_the_whole_sequence_gives(attention, shortcut):
    net, x = make(replace(MODEL, attention=attention, shortcut=shortcut)).double(), pictures(5).double()
    stream = net.stream(batch=2)
    with torch.no_grad():
        steps = torch.stack([stream(frame) for frame in x])
        with rn.observe(net, record=()) as seen:
            torch.testing.assert_close(steps, net(x), rtol=0, atol=1e-9)
    changing = [path for path, layer in seen.items() if not torch.equal(layer.spikes_TB[0], layer.spikes_TB[-1])]
    assert len(changing) > 0.6 * len(seen)


def test_it_compiles_without_a_graph_break():
    torch._dynamo.reset()
    net, x = make(replace(MODEL, blocks=(1, 0, 0, 1, 0))), pictures()
    y = net(x)
    y.square().sum().backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    again = torch.compile(net, fullgraph=True, backend="eager")(x)
    torch.testing.assert_close(again, y)
    again.square().sum().backward()
    for p, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()


def test_gradients_reach_every_weight_and_a_saved_network_loads():
    net, x = make(seed=3).train(), pictures(side=12)
    net(x).square().sum().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []
    other = classifier(MODEL, in_channels=2, num_classes=5)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(x), net.eval()(x))


def test_the_start_at_the_threshold_makes_neurons_fire_that_would_not():
    x, rates = pictures(1, 16, 12), {}
    for start in ("paper", "threshold"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = classifier(replace(MODEL, start=start), in_channels=2, num_classes=5).train()
        with torch.no_grad(), rn.observe(net, record=()) as seen:
            net(x)
        rates[start] = float(seen["head.lif"].spikes_TB.mean())
    assert rates["paper"] < 0.05
    assert 0.2 < rates["threshold"] < 0.8
