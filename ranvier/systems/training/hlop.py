"""HLOP: a spiking network that learns task after task without forgetting, by lateral Hebbian connections.

Source: Xiao, Meng, Zhang, He and Lin 2024, ICLR, arXiv:2402.11984. Next to each layer, neurons with lateral connections
learn the principal subspace of what the layer hears during a task; later tasks move its weights at right angles to what
earlier tasks heard, so their answers stay. Any rule that multiplies errors with presynaptic activity can be so guarded:
here BPTT, SLTT and OTTT, with errors that go back through the weights, through fixed random ones (feedback alignment)
or through their signs. The paper's own DSR, a gradient of firing rates, is left out.

The claim is about permuted digits with one classifier for all tasks: nearly no forgetting, new tasks learned about as
well as without; under each rule, with errors through random weights, and on split digits and split CIFAR-10. In the
control the same networks are trained on one task after the other (on split CIFAR-10 they forget at one seed of three
only, so nothing is shown there). ``PMNIST`` and ``CIFAR`` have the sizes of the paper, the latter on the ten classes of
CIFAR-10; ``SPLIT_MNIST`` and ``SPLIT_CIFAR10`` are small, with a classifier for each task; ``SMALL`` needs no download.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.core.rule import Rule
from ranvier.core.seeds import derive, generator
from ranvier.core.surrogates.triangle import Triangle
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.loader import Hold, Loader, preload, same
from ranvier.data.sets.pack import ImageSet
from ranvier.data.tasks import permuted, split
from ranvier.measure import About, Continual
from ranvier.neurons import LIF
from ranvier.nn import AlignedConv2d, AlignedLinear, Sequential, Spiking, guard, guarded
from ranvier.nn.subspace import subspace_of
from ranvier.rules import BPTT, HLOP, OTTT, SLTT
from ranvier.runs import Run
from ranvier.systems import continual, supervised
from ranvier.systems.vision.images import Images, balanced
from ranvier.train import SGD, Constant, Train, Trainer
from ranvier.train.losses import TET, Among, Objective, RateCrossEntropy

Variant = Literal["sltt", "ottt", "random", "split_mnist", "split_cifar10"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The tasks, the network and how it is guarded.

    Args:
        source: the images, as of ``systems.vision.images.Images``: "mnist", "cifar10", "fashion-mnist" from
            RANVIER_DATA; "nmnist", pictures of the event recordings that come with the package. shrink: each
            shrink x shrink pixels become their mean.
        tasks: "permuted", the pixels of each task in another order; "split", each task has classes of its own.
        num_tasks: how many. limit, test_limit: images of each task, of each split; None: all.
        head: "shared", one classifier, also guarded (domain-incremental); "own", one for each task, free to learn
            (task-incremental).
        num_steps: T. channels: of 3 x 3 convolutions, each with batch norm, neurons and 2 x 2 mean pooling.
        hidden: neurons of the layers behind. tau: of the neurons, steps. alpha: slope range of the surrogate.
        rule: that HLOP guards. back: how errors pass the layers: through their "weights", "random" ones, or "sign".
        hlop: whether it does; without, the tasks are simply trained one after the other.
        rows: subspace neurons of each guarded layer, in order, for the first task. more: for each further task. fewer:
            tasks 3, 6, 9 ... (from 0) and those after them add so many less each time.
        activity: what they learn from, see ``rules.HLOP``. levels: they answer by bursts of so many levels; None: not.
        train: of each task; SGD without weight decay.
        beside: what ``measure`` learns too, see ``variant``.
    """

    seed: int = 0
    source: Literal["mnist", "cifar10", "fashion-mnist", "nmnist"] = "mnist"
    shrink: int = 1
    tasks: Literal["permuted", "split"] = "permuted"
    num_tasks: int = 3
    limit: int | None = 5000
    test_limit: int | None = 1000
    head: Literal["shared", "own"] = "shared"
    num_steps: int = 4
    channels: tuple[int, ...] = ()
    hidden: tuple[int, ...] = (200, 200)
    tau: float = 2.0
    rule: Literal["bptt", "sltt", "ottt"] = "bptt"
    back: Literal["weights", "random", "sign"] = "weights"
    hlop: bool = True
    rows: tuple[int, ...] = (60, 80, 60)
    more: tuple[int, ...] = (40, 40, 40)
    fewer: int = 0
    activity: Literal["rate", "steps"] = "rate"
    levels: int | None = None
    batch_size: int = 64
    train: Train = field(
        default_factory=lambda: Train(epochs=2, optimiser=SGD(lr=0.7, momentum=0.0), schedule=Constant())
    )
    beside: tuple[Variant, ...] = ()

    def __post_init__(self) -> None:
        require_counts(
            "hlop: ", self, "shrink", "num_tasks", "limit", "test_limit", "num_steps", "batch_size", "levels"
        )
        if self.tasks == "split" and self.num_classes % self.num_tasks:
            expected = f"a number that divides {self.num_classes} classes"
            raise ConfigError("hlop: num_tasks", expected=expected, got=str(self.num_tasks))
        if not self.tau >= 1:
            raise ConfigError("hlop: tau", expected="a time constant >= 1 step", got=str(self.tau))
        if self.fewer < 0:
            raise ConfigError("hlop: fewer", expected="at least 0", got=str(self.fewer))
        if self.channels and self.side < 1:
            raise ConfigError("hlop: channels", expected="pixels left after pooling", got=str(self.channels))
        for name in ("rows", "more"):
            if len(getattr(self, name)) != self.num_guarded:
                expected = f"one number for each of {self.num_guarded} guarded layers"
                raise ConfigError(f"hlop: {name}", expected=expected, got=str(getattr(self, name)))
        optimiser = self.train.optimiser
        if not isinstance(optimiser, SGD) or optimiser.weight_decay:
            mend = "Others leave the directions that are allowed."
            expected = "SGD without weight decay"
            raise ConfigError("hlop: train.optimiser", expected=expected, got=str(optimiser), mend=mend)

    @property
    def num_classes(self) -> int:
        """Classes of all images."""
        return len(self.images.classes)

    @property
    def images(self) -> Images:
        """The images that tasks are made of."""
        return Images(source=self.source, shrink=self.shrink, steps=self.num_steps)

    @property
    def each(self) -> int:
        """Classes of a task."""
        return self.num_classes // self.num_tasks if self.tasks == "split" else self.num_classes

    @property
    def side(self) -> int:
        """Pixels along one side of the last feature maps."""
        return self.images.side >> len(self.channels)

    def added(self, place: int, number: int) -> int:
        """Give the rows that the subspace of a guarded layer gets for a task."""
        return max(0, self.more[place] - number // 3 * self.fewer) if number else self.rows[place]

    @property
    def num_guarded(self) -> int:
        """Layers with a subspace."""
        return len(self.channels) + len(self.hidden) + (self.head == "shared")


def build(config: Config) -> nn.Module:
    """Build the untrained network: images (T, B, C, H, W) in, currents of all classifiers (T, B, K) out.

    Guarded or not, the weights are the same.
    """
    neuron = LIF(tau_m=config.tau, decay_input=False, discretisation="euler", reset=Subtract(), surrogate=Triangle())
    layers: dict[str, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        before = config.images.channels
        for number, channels in enumerate(config.channels, start=1):
            layers[f"conv{number}"] = _conv(config, before, channels, first=number == 1)
            layers[f"norm{number}"] = nn.BatchNorm2d(channels)
            layers[f"lif_c{number}"] = Spiking(neuron)
            layers[f"pool{number}"] = nn.AvgPool2d(2)
            before = channels
        layers["flatten"] = nn.Flatten()
        before *= config.side**2
        for number, features in enumerate(config.hidden, start=1):
            layers[f"linear{number}"] = _linear(config, before, features, first=number == 1 and not config.channels)
            layers[f"lif{number}"] = Spiking(neuron)
            before = features
        num_outputs = config.num_classes
        if config.head == "own" and config.tasks == "permuted":
            num_outputs *= config.num_tasks
        layers["readout"] = _linear(config, before, num_outputs, first=False)
        for name, layer in layers.items():
            if isinstance(layer, nn.Linear | nn.Conv2d) and name != "readout":
                nn.init.kaiming_normal_(layer.weight)  # torch's own would leave neurons without norms silent
    net = Sequential(layers)
    if config.hlop:
        _guard(config, net)
    return net


def _conv(config: Config, before: int, after: int, *, first: bool) -> nn.Conv2d:
    if config.back == "weights" or first:
        return nn.Conv2d(before, after, 3, padding=1, bias=False)
    return AlignedConv2d(before, after, 3, padding=1, bias=False, back=config.back)


def _linear(config: Config, before: int, after: int, *, first: bool) -> nn.Linear:
    if config.back == "weights" or first:
        return nn.Linear(before, after, bias=False)
    return AlignedLinear(before, after, bias=False, back=config.back)


def _guard(config: Config, net: Sequential) -> None:
    layers = [layer for layer in net if isinstance(layer, nn.Linear | nn.Conv2d)]
    for place, layer in enumerate(layers[: config.num_guarded]):
        rows = sum(config.added(place, number) for number in range(config.num_tasks))
        capacity = min(rows, layer.weight[0].numel())
        guard(layer, capacity, lr=0.001 if place == 0 else 0.01, levels=config.levels)


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train all tasks in a run folder, each in a part of its own; see ``System.train``."""
    trainers = _trainers(config, build(config))
    found = _learn(config, trainers, watch, folder)
    if isinstance(found, str):
        return found
    run = Run.open(folder)
    if run.newest() is None:
        run.resume()  # cuts lines of a sequence that was stopped while it wrote them
        for number, row in enumerate(found.accuracy_JK.tolist(), start=1):
            each = {f"accuracy_{task}": value for task, value in enumerate(row, start=1)}
            run.log(step=number, epoch=number, test_accuracy=sum(row[:number]) / number, **each)
        run.log(step=config.num_tasks, **_figures(found))
        run.save(config.num_tasks, {"net": dict(trainers[-1].net.state_dict())})
    supervised.results(trainers[-1], _about(config, found)).write(folder)
    return ""


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Learn all tasks from a seed, then those of the variants beside them.

    Returns: "average", ACC, the mean accuracy on all tasks at the end; "backward", BWT, below 0 is forgetting;
        "forgetting"; "forward", FWT; "later", mean accuracy on each task but the first right after it was learned; the
        same of each variant, "backward_sltt"; "rate", spikes a neuron and step; "energy_nj", of the synaptic operations
        for an image.

    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """
    config = replace(config, seed=seed)
    num = 1 + len(config.beside)
    trainers = _trainers(config, build(config))
    found = _measure(config, trainers, _share(progress, 0, num))
    others = {}
    for place, name in enumerate(config.beside, start=1):
        other = variant(config, name)
        learned = _measure(other, _trainers(other, build(other)), _share(progress, place, num))
        others.update({f"{figure}_{name}": value for figure, value in _figures(learned).items()})
    last = trainers[-1]
    activity = last.judge().activity.values()
    neurons = sum(layer.num_neurons for layer in activity)
    assert last.test is not None
    inputs_TB, _ = next(iter(last.test.batches(0)))
    return {
        **_figures(found),
        **others,
        "rate": sum(layer.rate * layer.num_neurons for layer in activity) / neurons,
        "energy_nj": supervised.energy_nj(last.net, inputs_TB),
    }


def variant(config: Config, name: Variant) -> Config:
    """Return what is learned beside a config: the same with another rule or random feedback, or other data."""
    alone = replace(config, beside=())
    match name:
        case "sltt" | "ottt":
            return replace(alone, rule=name)
        case "random":
            return replace(alone, back="random")
        case "split_mnist":
            return replace(SPLIT_MNIST, seed=config.seed, hlop=config.hlop)
        case "split_cifar10":
            return replace(SPLIT_CIFAR10, seed=config.seed, hlop=config.hlop)


def _share(progress: Progress, place: int, num: int) -> Watcher:
    def watch(fraction: float, words: str, /, **_: float) -> None:
        progress((place + fraction) / num, words)

    return watch


def _measure(config: Config, trainers: Sequence[Trainer], watch: Watcher) -> Continual:
    found = _learn(config, trainers, watch, None)
    if isinstance(found, str):
        raise KeyboardInterrupt(found)
    return found


def _figures(found: Continual) -> dict[str, float]:
    figures = {"average": found.average}
    if len(found.untrained_K) > 1:
        names = ("backward", "forgetting", "forward", "later")
        figures.update({name: getattr(found, name) for name in names})
    return figures


def _learn(config: Config, trainers: Sequence[Trainer], watch: Watcher, folder: Path | None) -> Continual | str:
    subspaces = [subspace_of(layer) for layer in guarded(trainers[0].net).values()]

    def begin(number: int) -> None:
        for place, subspace in enumerate(subspaces):
            room = subspace.capacity - int(subspace.num_rows)
            subspace.grow(min(config.added(place, number), room), generator(config.seed, "rows", number, place))

    def end(_: int) -> None:
        for subspace in subspaces:
            subspace.freeze()

    if not subspaces:
        return continual.learn(trainers, begin=lambda _: None, end=lambda _: None, watch=watch, folder=folder)
    return continual.learn(trainers, begin=begin, end=end, watch=watch, folder=folder)


def _rule(config: Config) -> Rule:
    rule: Rule = {"bptt": BPTT(), "sltt": SLTT(), "ottt": OTTT()}[config.rule]
    return HLOP(rule=rule, activity=config.activity) if config.hlop else rule


def _trainers(config: Config, net: nn.Module) -> list[Trainer]:
    """Make a trainer for each task, of one network."""
    found = []
    whole = {"train": config.images.load("train"), "test": config.images.load("test")}
    hold = Hold(num_steps=config.num_steps)
    inner: Objective = RateCrossEntropy() if config.rule == "bptt" else TET(lam=0.0)
    for number in range(config.num_tasks):
        start = number * config.each if config.head == "own" else 0
        samples: dict[str, Any] = {name: _task(config, images, name, number) for name, images in whole.items()}
        trainer = Trainer(
            net=net,
            rule=_rule(config),
            loss=Among(start=start, stop=start + config.each, loss=inner),
            train=Loader(
                samples=samples["train"],
                encode=hold,
                batch_size=config.batch_size,
                seed=derive(config.seed, "task", number),
                drop_last=len(samples["train"]) >= config.batch_size,
            ),
            test=Loader(samples=preload(samples["test"], hold), encode=same, batch_size=250, shuffle=False),
            config=config.train,
            seed=derive(config.seed, "task", number),
        )
        found.append(trainer)
    return found


def _task(config: Config, images: ImageSet, name: str, number: int) -> ImageSet:
    if config.tasks == "split":
        images = split(images, config.num_tasks, number)
    limit = config.limit if name == "train" else config.test_limit
    if limit is not None and limit < len(images):
        images = images.take(balanced(images.labels, limit))
    return permuted(images, config.seed, number) if config.tasks == "permuted" else images


def _about(config: Config, found: Continual) -> About:
    how = f"{'HLOP with ' if config.hlop else ''}{config.rule.upper()}"
    title = config.images.title
    names = config.images.classes[-config.each :] if config.tasks == "split" else config.images.classes
    return About(
        title=f"{how} on {config.tasks} {title}",
        summary=f"A spiking network that learned {config.num_tasks} tasks of {title}, {config.tasks}, one by one "
        f"by {how}. Accuracy on all of them at the end: {100 * found.average:.1f} %. Below, the last task.",
        seed=config.seed,
        class_names=names,
    )


SMALL = Config(
    source="nmnist", shrink=2, limit=None, test_limit=None, hidden=(100, 100), num_steps=4, batch_size=32,
    rows=(60, 40, 40), more=(30, 25, 25),
    train=Train(epochs=10, optimiser=SGD(lr=0.3, momentum=0.0), schedule=Constant()),
)  # fmt: skip
SPLIT_MNIST = Config(
    tasks="split", num_tasks=5, head="own", limit=2000, test_limit=400, rows=(120, 120), more=(60, 40),
    train=Train(epochs=5, optimiser=SGD(lr=0.7, momentum=0.0), schedule=Constant()),
)  # fmt: skip
SPLIT_CIFAR10 = Config(
    source="cifar10", shrink=2, tasks="split", num_tasks=5, head="own", limit=1000, test_limit=500, channels=(16, 32),
    hidden=(100,), rows=(8, 60, 160), more=(2, 12, 50),
    train=Train(epochs=5, optimiser=SGD(lr=0.2, momentum=0.0), schedule=Constant()),
)  # fmt: skip
PMNIST = Config(
    num_tasks=10, limit=None, test_limit=None, num_steps=20, hidden=(800, 800), rows=(80, 200, 100), more=(70, 70, 70),
    fewer=20,
    train=Train(epochs=1, optimiser=SGD(lr=0.1, momentum=0.0), schedule=Constant()),
)  # fmt: skip
CIFAR = Config(
    source="cifar10", tasks="split", num_tasks=5, head="own", limit=None, test_limit=None, num_steps=20,
    channels=(64, 128, 256), hidden=(), rows=(6, 100, 200), more=(2, 20, 40),
    train=Train(epochs=200, optimiser=SGD(lr=0.01)),
)  # fmt: skip

# Least backward transfer, and least mean accuracy on new tasks, by how the names of figures end. Random feedback and
# convolutions, whose subspaces hold less of what they hear, may forget a little more.
LEAST = {
    "": (-0.03, 0.85),
    "_sltt": (-0.03, 0.85),
    "_ottt": (-0.03, 0.85),
    "_random": (-0.04, 0.7),
    "_split_mnist": (-0.03, 0.9),
    "_split_cifar10": (-0.04, 0.65),
}


def _passes(m: Measured) -> bool:
    return all(m[f"backward{end}"] >= kept and m[f"later{end}"] >= new for end, (kept, new) in LEAST.items())


SYSTEM = System(
    name="hlop",
    title="Hebbian learning based orthogonal projection",
    family="training",
    paper=Paper(
        title="Hebbian Learning based Orthogonal Projection for Continual Learning of Spiking Neural Networks",
        authors="Xiao, Meng, Zhang, He and Lin",
        year=2024,
        venue="ICLR",
        identifier="arXiv:2402.11984",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="Updates at right angles to what lateral Hebbian connections learned of earlier tasks leave nearly no "
        "forgetting, and new tasks are learned, whatever rule gives the updates.",
        measure=measure,
        passes=_passes,
        config=Config(beside=VARIANTS),
        control=Config(beside=VARIANTS, hlop=False),
        minutes=8.0,
        fast=Fast(
            config=SMALL,
            control=replace(SMALL, hlop=False),
            passes=lambda m: m["backward"] >= -0.05 and m["later"] >= 0.6,
        ),
    ),
)
