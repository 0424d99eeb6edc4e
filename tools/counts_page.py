"""Write docs/systems/counts.md: published counts of parameters and operations beside what our networks come to.

Usage: python tools/counts_page.py. A test compares the page with what this would write, and each pair of figures.
Networks are built on torch's meta device: only shapes are counted.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.measure import HOROWITZ_45NM, dense_operations, footprint, operations, saved_bytes
from ranvier.neurons import LIF
from ranvier.nn import ELM, L2MU, Branches, Sequential, Spiking
from ranvier.rules import BPTT, SLTT
from ranvier.systems.events import dcls_delays
from ranvier.systems.events.hd_snn import system as hd_snn
from ranvier.systems.training import sltt
from ranvier.systems.vision import max_former, spikformer, spikformer_v2
from ranvier.systems.vision.meta_spikeformer import model as meta
from ranvier.systems.vision.meta_spikeformer import spikes
from ranvier.train.losses import TET

PAGE = Path(__file__).resolve().parent.parent / "docs" / "systems" / "counts.md"

HEAD = """# Published counts, and ours

Parameters, operations, bytes and energies that the papers of these systems print (or their code gives), beside what our
networks come to. Written by `python tools/counts_page.py`, which builds every network and counts; a test does it again.

A figure is *equal* if ours is the published one to its last printed digit, rounded or cut. Count a network of your own
by `ranvier.measure.dense_operations(net, x)` (nothing skipped, from shapes alone, also on torch's meta device;
`borders=False` leaves out the zeros of paddings) and `ranvier.measure.operations(net, x)` (what happens on inputs, as
NeuroBench counts).

Conventions of the papers, which `dense_operations` follows: a multiply-add is one operation; taps on the padding count;
biases, norms, neurons and pools do not; products of attention in their cheaper order. Energy: 4.6 pJ for each
multiply-accumulate of the layer that sees pixels, 0.9 pJ for each addition elsewhere (`measure.HOROWITZ_45NM`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One published figure.

    Args: printed: as published. value, unit: the figure that it stands for, and of the last printed digit (0: exact).
        ours: counts. equal: whether ours is expected to be the same. words: convention, or why not. source: of printed.
    """

    system: str
    what: str
    printed: str
    value: float
    unit: float = 0.0
    ours: Callable[[], float]
    equal: bool = True
    words: str = ""
    source: str

    def agrees(self, ours: float) -> bool:
        """Tell whether a figure of ours is the published one, rounded or cut at the last printed digit."""
        return abs(ours - self.value) < self.unit * (1 + 1e-9) if self.unit else ours == self.value


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """Build a network without numbers."""
    with torch.device("meta"):
        return make()


def size(net: nn.Module) -> int:
    """Count parameters."""
    return sum(p.numel() for p in net.parameters())


def dense(net: nn.Module, *shape: int) -> dict[str, float]:
    """Count dense operations by layer, for an input of that shape."""
    return dense_operations(net, torch.zeros(*shape, device="meta"))


# Spikformer

_CIFAR4 = replace(spikformer.CIFAR10.net, depth=4, channels=384, heads=12)
_ISSUE = "github.com/ZK-Zhou/spikformer, issue 23 (a run of the released code)"
_SISTER = "read-me of github.com/TheBrainLab/Spikingformer (same stem): energy less 0.9 pJ times its operations"


def _spikformer(net: spikformer.Net, side: int, channels: int = 3, classes: int = 1000) -> nn.Module:
    return on_meta(lambda: spikformer.network(net, channels=channels, side=side, num_classes=classes))


def _cifar4() -> tuple[nn.Module, dict[str, float]]:
    net = _spikformer(_CIFAR4, 32, classes=10)
    return net, dense(net, 4, 1, 3, 32, 32)


def _real_valued() -> float:
    """Count what sees numbers: the first convolution, at four steps, and the read-out, once, with its biases."""
    _, found = _cifar4()
    return found["stem.conv1.0.conv"] + found["head"] / 4 + 10


def _everything() -> float:
    """Count as the profiler of the released code does: see the table."""
    net, found = _cifar4()
    total = sum(count for path, count in found.items() if not path.endswith("product"))
    total -= 3 * found["head"] / 4
    numbers = {kind: _numbers(net, kind) for kind in (nn.BatchNorm2d, Spiking, nn.MaxPool2d)}
    biases = 4 * sum(
        layer.bias.numel() for layer in net.modules() if isinstance(layer, nn.Conv2d) and layer.bias is not None
    )
    return total + 10 + biases + 2 * numbers[nn.BatchNorm2d] + numbers[Spiking] + numbers[nn.MaxPool2d]


def _numbers(net: nn.Module, kind: type[nn.Module]) -> int:
    """Count the numbers that go into all layers of a kind, at four steps of one picture."""
    seen: list[int] = []
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numel()))
        for module in net.modules()
        if isinstance(module, kind)
    ]
    dense(net, 4, 1, 3, 32, 32)
    for handle in handles:
        handle.remove()
    return sum(seen)


def _first(channels: int) -> float:
    """Compute the energy of the first convolution at four steps, mJ."""
    net = _spikformer(replace(spikformer.IMAGENET, depth=8, channels=channels), 224)
    return HOROWITZ_45NM.mac_pj * 4 * dense(net, 1, 1, 3, 224, 224)["stem.conv1.0.conv"] / 1e9


def _of_spikformer() -> Iterator[Count]:
    paper = "arXiv:2209.15425"
    for depth, channels, millions in (
        (8, 384, 16.81),
        (6, 512, 23.37),
        (8, 512, 29.68),
        (10, 512, 36.01),
        (8, 768, 66.34),
    ):
        net = replace(spikformer.IMAGENET, depth=depth, channels=channels)
        yield Count(
            system="spikformer", what=f"parameters, ImageNet {depth}-{channels}", printed=f"{millions:.2f} M",
            value=millions * 1e6, unit=1e4, ours=lambda net=net: size(_spikformer(net, 224)), source=paper,
        )  # fmt: skip
    for depth, channels, heads, millions in ((4, 256, 8, 4.15), (2, 384, 12, 5.76), (4, 384, 12, 9.32)):
        net = replace(_CIFAR4, depth=depth, channels=channels, heads=heads)
        yield Count(
            system="spikformer", what=f"parameters, CIFAR-10 {depth}-{channels}", printed=f"{millions:.2f} M",
            value=millions * 1e6, unit=1e4, ours=lambda net=net: size(_spikformer(net, 32, classes=10)), source=paper,
        )  # fmt: skip
    yield Count(
        system="spikformer", what="parameters, events 2-256", printed="2.57 M", value=2.57e6, unit=1e4,
        ours=lambda: size(_spikformer(spikformer.DVS, 128, 2, 10)), source=paper,
    )  # fmt: skip
    yield Count(
        system="spikformer", what="parameters, CIFAR-10 4-384, released code", printed="9,330,874", value=9_330_874,
        ours=lambda: size(_spikformer(replace(_CIFAR4, layer_norms=True), 32, classes=10)), source=_ISSUE,
        words="with the norms that nothing calls (`layer_norms=True`)",
    )  # fmt: skip
    yield Count(
        system="spikformer", what="multiply-adds on numbers, CIFAR-10 4-384, T=4", printed="5,312,266",
        value=5_312_266, ours=_real_valued, source=_ISSUE,
        words="first convolution at every step; read-out once, after the mean over time, with its 10 biases (ours "
        "reads out at every step, so that it can be streamed)",
    )  # fmt: skip
    yield Count(
        system="spikformer", what="operations, CIFAR-10 4-384, T=4", printed="3,703,662,346", value=3_703_662_346,
        ours=_everything, source=_ISSUE,
        words="ours without the products of attention and with the read-out once, and what that profiler adds: two for "
        "each number in a norm, one in a neuron or a pool, a bias once a step",
    )  # fmt: skip
    for channels, energy, giga in ((384, 4.69, 3.88), (512, 7.46, 6.52), (768, 13.68, 12.54)):
        yield Count(
            system="spikformer", what=f"energy of the first convolution, ImageNet, C={channels}, T=4",
            printed=f"{energy:.2f} mJ - 0.9 x {giga:.2f} G pJ", value=energy - 0.9 * giga, unit=0.0095,
            ours=lambda channels=channels: _first(channels), source=_SISTER,
            words="mJ; every step counts, taps on the padding too",
        )  # fmt: skip


# Spikformer V2, Max-Former


def _of_v2() -> Iterator[Count]:
    net = spikformer_v2.V2_16_768
    yield Count(
        system="spikformer-v2", what="parameters, 16-768", printed="172 M", value=172e6, unit=1e6, equal=False,
        ours=lambda: size(on_meta(lambda: spikformer_v2.network(net, channels=3, num_classes=1000))),
        words="1.2 % more: the channels of its stem are not public; ours is a reconstruction",
        source="arXiv:2401.02020",
    )  # fmt: skip


def _max_former(net: max_former.Net, classes: int = 1000) -> nn.Module:
    return on_meta(lambda: max_former.network(net, channels=3, num_classes=classes))


def _of_max_former() -> Iterator[Count]:
    code, head = "layers of github.com/bic-L/MaxFormer", "max-former"
    largest = replace(max_former.IMAGENET, channels=768, heads=12)
    for what, net, classes, count in (
        ("ImageNet 10-384", max_former.IMAGENET, 1000, 16_237_240),
        ("ImageNet 10-512", replace(max_former.IMAGENET, channels=512, heads=8), 1000, 28_653_480),
        ("ImageNet 10-768", largest, 1000, 63_992_200),
        ("CIFAR-10 4-384", max_former.Net(), 10, 6_568_282),
        ("CIFAR-100 4-384", max_former.Net(), 100, 6_602_932),
        ("Max-ResNet-18, CIFAR-10", max_former.RESNET18, 10, 12_502_090),
    ):
        yield Count(
            system=head, what=f"parameters, {what}", printed=f"{count:,}", value=count, source=code,
            ours=lambda net=net, classes=classes: size(_max_former(net, classes)),
        )  # fmt: skip
    yield Count(
        system=head, what="parameters, ImageNet 10-768, paper", printed="63.99 M", value=63.99e6, unit=1e4,
        ours=lambda: size(_max_former(largest)), source="arXiv:2505.18608",
    )  # fmt: skip

    def share() -> float:
        mine = sum(dense(_max_former(largest), 1, 1, 3, 224, 224).values())
        other = replace(spikformer.IMAGENET, depth=8, channels=768)
        return mine / sum(dense(_spikformer(other, 224), 1, 1, 3, 224, 224).values())

    yield Count(
        system=head, what="operations over those of Spikformer 8-768", printed="30 % of the energy", value=0.3,
        unit=0.01, ours=share, equal=False, source="read-me of github.com/bic-L/MaxFormer",
        words="not comparable: with nothing skipped it takes more, so all of the saving is in its rates, which only "
        "trained weights have; the code of the energy is not released",
    )  # fmt: skip


# Meta-SpikeFormer


def _meta(model: meta.Model) -> nn.Module:
    return on_meta(lambda: meta.classifier(model, in_channels=3, num_classes=1000))


def _implied() -> float:
    """Compute the mean rate at which the paper's formula gives the published energy with our multiply-adds."""
    first, *others = spikes.multiply_adds(_meta(meta.M55), torch.zeros(1, 1, 3, 224, 224, device="meta")).values()
    return (52.4e9 - 4.6 * first) / (0.9 * 4 * sum(others))


def _of_meta() -> Iterator[Count]:
    code = "layers of github.com/BICLab/Spike-Driven-Transformer-V2"
    for model, count in (
        (meta.M15, 15_112_208), (meta.M31, 31_333_864), (meta.M55, 55_350_248), (meta.M123, 123_741_160),
    ):  # fmt: skip
        yield Count(
            system="meta-spikeformer", what=f"parameters, C={model.widths[-1]}", printed=f"{count:,}", value=count,
            ours=lambda model=model: size(_meta(model)), source=code,
        )  # fmt: skip
    yield Count(
        system="meta-spikeformer", what="parameters of the second read-out, C=640", printed="640 x 1000 + 1000",
        value=641_000, ours=lambda: size(_meta(replace(meta.M55, distil=True))) - size(_meta(meta.M55)), source=code,
    )  # fmt: skip
    yield Count(
        system="meta-spikeformer", what="mean rate for 52.4 mJ, C=640, T=4", printed="52.4 mJ", value=52.4, unit=0.1,
        ours=_implied, equal=False, source="arXiv:2404.03663, at second hand",
        words="not comparable: the rates of the trained network are needed, whose weights were never released; by the "
        "paper's formula and our multiply-adds they would be this on average",
    )  # fmt: skip


# Signals and events


def _braille(inputs: int, channels: int, order: int, hidden: int, classes: int) -> Sequential:
    """Build the unit of the tactile task: it hears spikes, and its read-out fires."""
    unit = L2MU(inputs, channels=channels, order=order, hidden=hidden, theta=7.0)
    return Sequential({"unit": unit, "readout": nn.Linear(hidden, classes), "answers": Spiking(LIF())})


_WHOLE, _SEVEN = (24, 250, 4, 160, 27), (12, 70, 7, 120, 7)


def _multiplications() -> float:
    x_TBC: Tensor = (torch.rand(3, 2, 12, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    return operations(_braille(*_SEVEN), x_TBC).macs


def _of_l2mu() -> Iterator[Count]:
    source = "read-me of github.com/neuromorphic-polito/L2MU-Braille"
    for name, sizes, parameters, last, total, mega in (
        ("27 classes", _WHOLE, 4.9e5, 1e4, 1.27e8, 1.96), ("7 classes", _SEVEN, 1.19e5, 1e3, 3.15e7, 0.48),
    ):  # fmt: skip
        yield Count(
            system="l2mu", what=f"parameters, Braille, {name}", printed=f"{parameters:,.0f}", value=parameters,
            unit=last,
            ours=lambda sizes=sizes: size(_braille(*sizes)), source=source,
            words="" if sizes is _WHOLE else "with the 12 inputs that its data files have, where the other set has 24",
        )  # fmt: skip
        yield Count(
            system="l2mu", what=f"dense operations, Braille, {name}", printed=f"{total:,.0f}", value=total,
            unit=1e6 if sizes is _WHOLE else 1e5,
            ours=lambda sizes=sizes: sum(dense_operations(_braille(*sizes), torch.zeros(256, 1, sizes[0])).values()),
            words="T=256, as in its data files; the matrix of the memory once for each channel", source=source,
        )  # fmt: skip
        yield Count(
            system="l2mu", what=f"footprint, Braille, {name}", printed=f"{mega:.2f} MB", value=mega, unit=0.01,
            ours=lambda sizes=sizes: footprint(_braille(*sizes)) / 1e6, words="MB", source=source,
        )  # fmt: skip
    yield Count(
        system="l2mu", what="effective multiply-accumulates, Braille", printed="0", value=0, ours=_multiplications,
        words="on spikes drawn at random", source=source,
    )  # fmt: skip


def _of_elm() -> Iterator[Count]:
    for memory, count in ((1, 4601), (10, 5852), (20, 8002), (25, 9377), (50, 19252), (100, 54002)):
        yield Count(
            system="elm-neuron", what=f"parameters, NeuronIO, {memory} memory units", printed=f"{count:,}", value=count,
            ours=lambda memory=memory: size(ELM(1278, 2, memory=memory, branches=Branches())),
            words="weights of synapses count, fixed time constants do not", source="arXiv:2306.16922",
        )  # fmt: skip


def _learned(config: Any) -> float:
    """Count parameters as they learn: a weight and a delay a synapse, and the norms."""
    sizes = {"inputs": 140, "classes": 20 if config.hidden == (256, 256) else 35}
    return size(dcls_delays.build(replace(config, task="motifs", **sizes)))


def _of_dcls() -> Iterator[Count]:
    ssc = dcls_delays.SSC
    for what, config, millions in (
        ("SHD, two layers", dcls_delays.SHD, 0.2), ("SSC, two layers", ssc, 0.7),
        ("SSC, three layers", replace(ssc, hidden=(512,) * 3), 1.2),
        ("SSC, two layers, two synapses", replace(ssc, synapses=2), 1.4),
        ("SSC, three layers, two synapses", replace(ssc, hidden=(512,) * 3, synapses=2), 2.5),
    ):  # fmt: skip
        yield Count(
            system="dcls-delays", what=f"parameters, {what}", printed=f"{millions} M", value=millions * 1e6, unit=1e5,
            ours=lambda config=config: _learned(config), source="arXiv:2306.17670",
        )  # fmt: skip


def _kernel(kept: int | None = None) -> float:
    """Count a step's operations of one place where everything was active for long: all, or over those of ``kept``."""
    layer: Any = hd_snn.build(hd_snn.PAPER)
    layer = layer.get_submodule("evidence")
    layer.swap = False
    with torch.no_grad():
        layer.weight.fill_(1.0)
        if kept is not None:
            layer.weight.view(-1)[kept:] = 0
    counts = [
        layer.count(torch.ones(steps, 1, 2, layer.size, layer.size)) for steps in (layer.delays, layer.delays + 1)
    ]
    every, found = (b - a for a, b in zip(counts[0][:2], counts[1][:2], strict=True))
    return every if kept is None else every / found


def _of_hd_snn() -> Iterator[Count]:
    source = "arXiv:2307.14077"
    yield Count(
        system="hd-snn", what="synapses of the kernel", printed="436,968", value=436_968,
        ours=_kernel, words="as many operations a place and step, if nothing is skipped", source=source,
    )  # fmt: skip
    yield Count(
        system="hd-snn", what="fewer operations with 652 synapses left", printed="about 670", value=670, unit=1,
        ours=lambda: _kernel(652), words="times", source=source,
    )  # fmt: skip


def _held() -> float:
    """Measure what autograd keeps for the way back, SLTT over BPTT, at six steps of the network for CIFAR-10."""
    x, y = torch.zeros(6, 1, 3, 32, 32), torch.zeros(1, dtype=torch.int64)
    kept = []
    for rule in (SLTT(), BPTT()):
        net = sltt.build(sltt.CIFAR10).train()
        with saved_bytes(but=net.parameters()) as saved:
            rule.accumulate(net, x, y, TET(lam=sltt.CIFAR10.alpha))
        kept.append(saved.peak)
    return kept[0] / kept[1]


def _of_sltt() -> Iterator[Count]:
    yield Count(
        system="sltt", what="memory of training over that of BPTT, T=6", printed="70 % less", value=0.3, unit=0.01,
        ours=_held, equal=False, source="arXiv:2302.14311, abstract",
        words="not comparable: ours is what autograd keeps for the way back, on ResNet-18 for CIFAR-10; theirs is all "
        "memory of a GPU, weights and optimiser too, on ImageNet",
    )  # fmt: skip


def _of_step() -> Iterator[Count]:
    source = "arXiv:2505.11151; Horowitz 2014"
    for what, value, ours in (
        ("multiply-accumulate", 4.6, HOROWITZ_45NM.mac_pj),
        ("addition", 0.9, HOROWITZ_45NM.ac_pj),
    ):
        yield Count(
            system="all", what=f"energy of a float32 {what} at 45 nm", printed=f"{value} pJ", value=value,
            ours=lambda ours=ours: ours, source=source,
        )  # fmt: skip


def counts() -> tuple[Count, ...]:
    """Return all, system by system."""
    parts = (
        _of_dcls,
        _of_elm,
        _of_hd_snn,
        _of_l2mu,
        _of_max_former,
        _of_meta,
        _of_spikformer,
        _of_v2,
        _of_sltt,
        _of_step,
    )
    return tuple(count for part in parts for count in part())


TAIL = """
## What is not compared

- `hlop`, `vprsnn`, `meta-neuron-lzc` and the rules of learning: no counts are published; sizes and rows of the
  networks are those of the papers (`tests/systems`).
- L2MU's effective additions (2.04e6, 0.90e6), sparsities and updates of membranes hang on trained weights and on data
  that we do not have.
- Energies and operations of trained networks of vision (other than the last rows of Meta-SpikeFormer and Max-Former
  above) hang on their rates in the same way; several are known at second hand only and are not repeated here.
- The 75 and 58.9 million parameters of Meta-SpikeFormer's detector and segmenter: known at second hand, and our heads
  are others ([meta-spikeformer.md](meta-spikeformer.md)).
"""


def rendered(counted: Iterable[tuple[Count, float]]) -> str:
    """Render the page from counts and our figures."""
    lines = ["| system | what | published | ours | equal | how counted, or why not | source |", "|---" * 7 + "|"]
    for count, ours in counted:
        cells = (count.system, count.what, count.printed, _shown(ours), "yes" if count.agrees(ours) else "no")
        lines.append("| " + " | ".join((*cells, count.words, count.source)) + " |")
    return HEAD + "\n" + "\n".join(lines) + "\n" + TAIL


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


if __name__ == "__main__":
    PAGE.write_text(rendered((count, count.ours()) for count in counts()), encoding="utf-8")
    sys.stdout.write(f"written to {PAGE}\n")
