"""HD-SNN: a layer of neurons with many delays a synapse is a logistic regression that is the same at all times.

Source: Grimaldi and Perrinet 2023, Biological Cybernetics, arXiv:2307.14077 (motion); Perrinet 2023, ICANN (motifs).
The spikes of a motif leave at different times; delays that mirror it let them arrive at once. Two demonstrations of one
operation (``nn.arrivals`` by events, ``nn.DelayConv2d`` as a convolution):

- motifs hidden in rasters, drawn from the model that the layer inverts (``motifs.py``), with known kernels and with
  kernels learned from rasters (``regression.py``);
- direction and speed of pictures that slide before our camera model, learned from events (``motion.py``).

The claim: with delays both are told at their exact time; most synapses can be pruned at little loss, but not the long
delays. The control has one delay for motion, that is none, and motifs of three.

Departures: learning is from movies of one motion each, judging on paths whose motion changes, as there; kernels are
square, without the circular mask. The claim is about ``NATURAL``, whitened photographs that slide in four directions at
two speeds; its small check, ``SMALL``, is about textures and needs no data. ``PAPER`` has the sizes of the paper, with
twelve directions and three speeds.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.loader import Loader, same
from ranvier.measure import About
from ranvier.nn import DelayConv2d, Sequential
from ranvier.rules import BPTT
from ranvier.systems import supervised
from ranvier.systems.events.hd_snn import motifs, motion, regression
from ranvier.systems.events.hd_snn.motifs import Motifs
from ranvier.systems.events.hd_snn.motion import Motion
from ranvier.systems.events.hd_snn.regression import Lesson
from ranvier.train import AdamW, Cosine, Train, Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The two tasks, the layer and the recipe.

    Args:
        motifs, motion: the tasks. lesson: how kernels of motifs are learned.
        delays, size: of the kernels for motion, steps and pixels.
        keep: share of the synapses, or of the delays, that is kept when pruning or shortening.
        curve: further shares, in percent.
    """

    seed: int = 0
    motifs: Motifs = field(default_factory=Motifs)
    lesson: Lesson = field(default_factory=Lesson)
    motion: Motion = field(default_factory=Motion)
    delays: int = 9
    size: int = 7
    keep: float = 0.3
    curve: tuple[int, ...] = (50, 20, 10, 5, 2, 1)
    batch_size: int = 16
    train: Train = field(
        default_factory=lambda: Train(
            epochs=12, optimiser=AdamW(lr=0.01, weight_decay=0.0), schedule=Cosine(warmup=0.0, floor=0.1)
        )
    )

    def __post_init__(self) -> None:
        require_counts("hd-snn: ", self, "delays", "size", "batch_size")
        if self.size > self.motion.side:
            expected = f"at most the side of a movie, {self.motion.side} pixels"
            raise ConfigError("hd-snn: size", expected=expected, got=str(self.size))
        if not 0 < self.keep < 1:
            raise ConfigError("hd-snn: keep", expected="a share in (0, 1)", got=str(self.keep))
        if not all(0 < percent < 100 for percent in self.curve):
            raise ConfigError("hd-snn: curve", expected="shares in percent, 1 to 99", got=str(self.curve))


def build(config: Config) -> nn.Module:
    """Build the untrained layer: events (T, B, 2, H, W) in, the logit of each motion (T, B, H', W', K) out."""
    return motion.detector(config.motion, delays=config.delays, size=config.size, seed=derive(config.seed, "weights"))


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train the detector of motion in a run folder; see ``System.train``."""
    task = config.motion
    names = tuple(f"{360 * d / task.directions:g} deg, speed {s + 1}" for d in range(task.directions)
                  for s in range(task.speeds))  # fmt: skip
    about = About(
        title="HD-SNN on motion",
        summary=f"Kernels of {config.delays} delays and {config.size} x {config.size} pixels on {task.images}.",
        seed=config.seed,
        dt_ms=1.0,
        class_names=names,
    )
    return supervised.train(trainer(config), folder, watch, about)


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Find motifs, learn their kernels, learn motion, prune.

    Returns: "accuracy" of motion at each step of the paths; "pruned" and "shortened", the same with the share ``keep``
        of the largest weights or of the shortest delays; "pruned_10" and "shortened_10", with 10 percent, for all of
        the curve; "movies", share of held-out movies of one motion told right; "motifs", share of motifs found at their
        exact step; "motifs_plain", by correlating with the chances of spikes in place of their log-odds;
        "motifs_learned", by kernels that were learned; "matched", see ``regression.matched``; "rate", events a pixel
        and step; "energy_nj", of the synaptic operations for a path.
    """
    config = replace(config, seed=seed)
    found = find_motifs(config)
    progress(0.1, "filming")
    teacher = trainer(config)
    last = supervised.fit(teacher, lambda done, words: progress(0.1 + 0.9 * done, words))
    net, paths = teacher.net.eval(), motion.gaze(config.motion, seed)
    assert isinstance(net, Sequential)
    layer = net["evidence"]
    assert isinstance(layer, DelayConv2d)
    tried = {"pruned": motion.pruned(layer, config.keep), "shortened": motion.shortened(layer, config.keep)}
    for percent in config.curve:
        tried[f"pruned_{percent}"] = motion.pruned(layer, percent / 100)
        tried[f"shortened_{percent}"] = motion.shortened(layer, percent / 100)
    return {
        "accuracy": motion.accuracy(net, paths),
        **{name: motion.accuracy(motion.with_weight(net, weight), paths) for name, weight in tried.items()},
        "movies": last["test_accuracy"],
        **found,
        "rate": float(paths[0][0].mean()),
        "energy_nj": supervised.energy_nj(net, paths[0][0].unsqueeze(1)),
    }


def find_motifs(config: Config) -> Measured:
    """Draw rasters and find their motifs by several kernels; the figures of ``measure`` about motifs."""
    drawn = motifs.draw(config.motifs, config.seed)
    known = config.motifs.background
    learned, background = regression.learn(config.motifs, drawn.kernel_MND, config.lesson, config.seed)
    evidence = {
        "motifs": motifs.detect(drawn.spikes_TRN, drawn.kernel_MND, known),
        "motifs_plain": motifs.correlate(drawn.spikes_TRN, motifs.template(drawn.kernel_MND, known)),
        "motifs_learned": motifs.detect(drawn.spikes_TRN, learned, background),
    }
    return {
        **{name: motifs.true_positives(each, drawn.motifs_TRM) for name, each in evidence.items()},
        "matched": regression.matched(learned, drawn.kernel_MND),
    }


def trainer(config: Config) -> Trainer:
    """Make the trainer of the detector of motion."""
    learn, judge = (motion.movies(config.motion, config.seed, split) for split in ("train", "test"))
    return Trainer(
        net=build(config),
        rule=BPTT(),
        loss=motion.Everywhere(),
        train=Loader(samples=learn, encode=same, batch_size=config.batch_size, seed=config.seed),
        test=Loader(samples=judge, encode=same, batch_size=32, shuffle=False),
        config=config.train,
        seed=config.seed,
    )


def without_delays(config: Config) -> Config:
    """Return the control: one delay for motion, motifs of three steps."""
    return replace(config, delays=1, motifs=replace(config.motifs, delays=3))


NATURAL = Config(motion=Motion(images="natural", contrast=0.15))
SMALL = Config(lesson=Lesson(updates=100, lr=0.06), curve=())
PAPER = Config(
    motifs=Motifs(motifs=144, trials=10),
    motion=Motion(images="natural", directions=12, speeds=3, steps=200, side=128, tiles=1, views=28, path=200,
                  block=24, paths=200),
    delays=21, size=17, keep=0.1, train=Train(epochs=100, optimiser=AdamW(lr=1e-5, weight_decay=0.0)),
)  # fmt: skip


def _passes(m: Measured, *, accuracy: float, shortened: float) -> bool:
    return (
        m["accuracy"] >= accuracy
        and m["accuracy"] - m["pruned"] <= 0.05
        and m["accuracy"] - m["shortened"] >= shortened
        and m["motifs"] >= 0.88
        and m["motifs_learned"] >= 0.8
        and m["matched"] >= 0.95
    )


SYSTEM = System(
    name="hd-snn",
    title="Heterogeneous delays",
    family="events",
    paper=Paper(
        title="Learning heterogeneous delays in a layer of spiking neurons for fast motion detection",
        authors="Grimaldi and Perrinet",
        year=2023,
        venue="Biological Cybernetics",
        identifier="arXiv:2307.14077",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="A layer with many delays finds motifs and motion at their exact time and learns both from spikes; it "
        "bears the loss of most synapses, but not of its long delays.",
        measure=measure,
        passes=partial(_passes, accuracy=0.7, shortened=0.08),
        config=NATURAL,
        control=without_delays(NATURAL),
        published={
            "accuracy": "about 91 % of 36 motions",
            "pruned": "half-saturation at 652 synapses of 436,968",
            "shortened": "half-saturation at a third of the weights",
            "motifs": "98.8 % of true positives (128 inputs, 144 motifs, 31 delays)",
        },
        minutes=2.5,
        fast=Fast(config=SMALL, control=without_delays(SMALL), passes=partial(_passes, accuracy=0.8, shortened=0.2)),
    ),
)
