"""Networks of one layer, drawn at random, whose sums are exact in any order. Axes: B batch."""

from types import SimpleNamespace

import torch
from hypothesis import strategies as st
from torch import nn

from ranvier.nn.inference.products import Misfit, convolution, linear, pooling


def exact(*shape, generator, high=8):
    """Multiples of 1/8: sums of some thousand of them are exact in float32."""
    return torch.randint(-high, high + 1, shape, generator=generator) / 8.0


def frames(batch, shape, density, generator, *, graded):
    drawn = (torch.rand(batch, *shape, generator=generator) < density).float()
    return drawn * torch.randint(-3, 4, drawn.shape, generator=generator) if graded else drawn


@st.composite
def convolutions(draw, precision="float32"):
    """A convolution, its stage, and an input."""
    space = draw(st.sampled_from([1, 2]))
    transposed = draw(st.booleans())
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    i, o = groups * draw(st.integers(1, 3)), groups * draw(st.sampled_from([1, 2, 5, 16, 17, 40]))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(space))  # noqa: E731
    kernel, stride, padding, dilation = numbers(1, 4), numbers(1, 3), numbers(0, 2), numbers(1, 2)
    size = numbers(1, 9)
    kind = {(1, False): nn.Conv1d, (2, False): nn.Conv2d, (1, True): nn.ConvTranspose1d, (2, True): nn.ConvTranspose2d}
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if transposed:
        room = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        options["output_padding"] = tuple(draw(st.integers(0, r)) for r in room)
    elif draw(st.integers(0, 4)) == 0:
        options |= {"stride": 1, "padding": draw(st.sampled_from(["same", "valid"]))}
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    with torch.random.fork_rng(devices=[]):
        layer = kind[space, transposed](i, o, kernel, **options).requires_grad_(False)
    for p in layer.parameters():
        p.copy_(exact(*p.shape, generator=g))
    density, graded = draw(st.sampled_from([0.0, 0.05, 0.3, 1.0])), draw(st.booleans())
    x = frames(draw(st.sampled_from([1, 3])), (i, *size), density, g, graded=graded)
    try:
        stage, shape = convolution(layer, layer.weight, layer.bias, (i, *size), precision)
    except Misfit:  # too small an input for its kernel
        return None
    return SimpleNamespace(layer=layer, stage=stage, x=x, shape=shape)


@st.composite
def linears(draw, precision="float32"):
    """A linear layer, its stage, and an input; some are flattened maps."""
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    shape = draw(st.sampled_from([(1,), (7,), (70,), (3, 4), (2, 3, 5)]))
    total, outputs = torch.Size(shape).numel(), draw(st.sampled_from([1, 3, 16, 33, 130, 300]))
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(total, outputs, bias=draw(st.booleans())).requires_grad_(False)
    for p in layer.parameters():
        p.copy_(exact(*p.shape, generator=g))
    x = frames(
        draw(st.sampled_from([1, 2])), shape, draw(st.sampled_from([0.0, 0.1, 1.0])), g, graded=draw(st.booleans())
    )
    stage = linear(layer.weight, layer.bias, shape, precision)
    return SimpleNamespace(layer=nn.Sequential(nn.Flatten(), layer), stage=stage, x=x, shape=(outputs,))


@st.composite
def pools(draw):
    """A pool, its stage, and an input."""
    space = draw(st.sampled_from([1, 2]))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(space))  # noqa: E731
    channels, size = draw(st.sampled_from([1, 3, 20])), numbers(1, 9)
    which = draw(st.sampled_from(["Max", "Avg", "AdaptiveMax", "AdaptiveAvg"]))
    if which.startswith("Adaptive"):
        layer = getattr(nn, f"{which}Pool{space}d")(numbers(1, 5))
    else:
        kernel = numbers(1, 4)
        options = {"stride": numbers(1, 3), "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel)}
        options["ceil_mode"] = draw(st.booleans())
        if which == "Max":
            options["dilation"] = numbers(1, 2)
        else:
            options["count_include_pad"] = draw(st.booleans())
            if space == 2:
                options["divisor_override"] = draw(st.sampled_from([None, 3]))
        layer = getattr(nn, f"{which}Pool{space}d")(kernel, **options)
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = frames(draw(st.sampled_from([1, 2])), (channels, *size), draw(st.sampled_from([0.0, 0.2, 1.0])), g, graded=draw(st.booleans()))  # fmt: skip
    try:
        layer(x)
        stage, shape = pooling(layer, (channels, *size))
    except (Misfit, RuntimeError):  # too small an input for its windows
        return None
    return SimpleNamespace(layer=layer, stage=stage, x=x, shape=shape)
