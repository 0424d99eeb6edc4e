"""Letters: T time, B batch, C channels, K classes, H W space, P places."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

import ranvier.nn as rn
from ranvier.systems.vision.meta_spikeformer.dense import Detector, Pyramid, Segmenter
from ranvier.systems.vision.meta_spikeformer.model import Model

MODEL = Model(widths=(3, 4, 4, 4, 6), blocks=(1, 0, 0, 1, 0), strides=(2, 2, 2, 2, 1), heads=2, start="threshold")


def make(kind, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = kind(MODEL, in_channels=1, width=5, **options)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 3.0)
                module.momentum = 1.0  # the statistics of the pictures that come now
        with torch.no_grad():
            net.train()(torch.randn(1, 8, 1, 32, 32))
    return net.eval()


def pictures(steps=3, batch=2, side=32):
    return torch.randn(steps, batch, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_the_pyramid_adds_what_the_coarser_maps_know():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pyramid = Pyramid((3, 4, 6), 5).eval()
    generator = torch.Generator().manual_seed(1)
    stages = [2 * torch.randn(2, 2, c, s, s, generator=generator) for c, s in ((3, 8), (4, 4), (6, 3))]
    with torch.no_grad():
        maps = pyramid(stages)
        sides = [side(stage) for side, stage in zip(pyramid.sides, stages, strict=True)]

        def near(x, size):
            return interpolate(x.flatten(0, 1), size, mode="nearest").unflatten(0, (2, 2))

        middle = sides[1] + near(sides[2], (4, 4))
        expected = [sides[0] + near(middle, (8, 8)), middle, sides[2]]
        for got, layer, current in zip(maps, pyramid.maps, expected, strict=True):
            torch.testing.assert_close(got, layer(current))
            assert got.shape == (2, 2, 5, *current.shape[-2:])


def test_segmentation_says_something_of_every_pixel_of_pictures_of_any_size():
    net = make(Segmenter, num_classes=7)
    with torch.no_grad():
        for side in (32, 30, 17):
            y = net(pictures(2, 1, side))
            assert y.shape == (2, 1, 7, side, side)
            assert y[0, 0, 0].unique().numel() > 5


def test_detection_says_something_of_every_place_row_by_row():
    net = make(Detector, num_classes=7)
    with torch.no_grad():
        x = pictures()
        y = net(x)
        assert y.shape == (3, 2, 64, 11)  # stride 4: 8 x 8 places
        read = net.read(net.maps(x)[0])
        assert torch.equal(y[1, 1, 8 * 3 + 5], read[1, 1, :, 3, 5])
    assert torch.sigmoid(y[..., :7]).mean() < 0.05  # boxes are rare at first


@pytest.mark.parametrize("kind", [Segmenter, Detector])
def test_heads_stream_fold_and_learn(kind):
    net, x = make(kind, num_classes=3).double(), pictures().double()
    stream = rn.Stream(net, batch=2)
    with torch.no_grad():
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x), rtol=0, atol=1e-9)
        torch.testing.assert_close(rn.simplify(net)(x), net(x), rtol=0, atol=1e-5)
    net.train()(x).square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    # Detection reads the finest map alone.
    expected = ("pyramid.maps.1", "pyramid.maps.2", "pyramid.maps.3") if kind is Detector else ()
    assert all(name.startswith(expected) for name in without)
    assert bool(without) is (kind is Detector)


def test_it_compiles_without_a_graph_break():
    torch._dynamo.reset()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Segmenter(replace(MODEL, blocks=(0, 0, 0, 0, 0)), in_channels=1, num_classes=3, width=4).eval()
    x = pictures(2, 1, 16)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), net(x))
    torch._dynamo.reset()
