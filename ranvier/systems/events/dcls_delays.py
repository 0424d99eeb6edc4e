"""DCLS-Delays: a spiking network whose synapses learn when to speak, besides how loud.

Source: Hammouamri, Khalfaoui-Hassani and Masquelier 2024, ICLR, arXiv:2306.17670. Each synapse has a weight and a delay
(``nn.DelayedLinear``); the neurons forget within about a step (tau = 1.005), so that delays alone carry memory.

Two tasks. "motifs": a class is a vector of latencies, one spike a channel, jittered and moved as a whole; only what can
bring early spikes to meet late ones can tell the classes apart. "digits": the spoken digits of FSDD as spikes of a
cochlea (sigma-delta code of its bands). ``SHD`` and ``SSC`` have the sizes of the paper's networks; its data need a
download and are not read here.

The claim, on both: delays that are learned do what weights alone cannot. The control has no delays, and hidden layers
that are wider instead, so that it learns about as many numbers. ``delays="fixed"``, drawn and not learned, is between
the two on motifs; on digits it does no better than the control (0.75, 0.76 and 0.75 for seeds 0, 1 and 2).

Departures: the weights' own weight decay of 1e-5 is left out; both learning rates follow the cosine that the paper has
for the delays; an input ends in silence instead of every layer adding steps.

Letters: T time, B batch, N channels, K classes.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.reset import ToValue
from ranvier.core.seeds import derive, generator
from ranvier.core.surrogates.atan import ATan
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.audio import Cochlea, Sound
from ranvier.data.loader import Encoded, LabelledSet, Loader, preload, same
from ranvier.data.sets import fsdd
from ranvier.measure import About
from ranvier.neurons import LIF, LeakyIntegrator
from ranvier.nn import DelayedLinear, Dropout, Sequential, Spiking
from ranvier.nn.encode import sigma_delta
from ranvier.rules import BPTT
from ranvier.systems import supervised
from ranvier.train import AdamW, Cosine, NarrowDelays, Train, Trainer
from ranvier.train.losses import SoftmaxSum

Split = Literal["train", "test"]
SHIFT = 6  # steps, by fewer than which a motif is moved as a whole
HOP_MS = 20.0  # of the cochlea


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The network, the task and the recipe.

    Args:
        task: see above. delays: "learned", "fixed" where they were drawn, or "none".
        inputs: channels of a motif, bands of the cochlea. classes: of motifs; there are ten digits.
        latency: latest spike of a motif, steps. jitter: standard deviation of each spike, steps. noise: chance of a
            stray spike, a channel and step.
        frames: of the cochlea, 20 ms each. spike: what a band must add up to for a spike.
        hidden: neurons of each hidden layer. synapses: of each pair of neurons. max_delay: steps.
        tau: of the hidden neurons, steps; tau_readout: of the read-out.
        dropout: of hidden spikes, of a whole sequence. delay_lr: learning rate of delays, in those of the weights.
        limit: only so many recordings of each split, drawn once for all seeds; None: all. num_train, num_test: motifs.
        digits: whether ``measure`` learns the digits as well.
    """

    seed: int = 0
    task: Literal["motifs", "digits"] = "motifs"
    delays: Literal["learned", "fixed", "none"] = "learned"
    inputs: int = 20
    classes: int = 10
    latency: int = 20
    jitter: float = 1.0
    noise: float = 0.005
    frames: int = 32
    spike: float = 0.5
    hidden: tuple[int, ...] = (64,)
    synapses: int = 1
    max_delay: int = 20
    tau: float = 1.005
    tau_readout: float = 1.005
    dropout: float = 0.0
    delay_lr: float = 100.0
    limit: int | None = None
    num_train: int = 1000
    num_test: int = 500
    batch_size: int = 50
    digits: bool = False
    train: Train = field(
        default_factory=lambda: Train(
            epochs=15, optimiser=AdamW(lr=2e-3, weight_decay=0.0), schedule=Cosine(warmup=0.0)
        )
    )  # fmt: skip

    def __post_init__(self) -> None:
        require_counts(
            "dcls-delays: ", self, "inputs", "classes", "frames", "synapses", "batch_size", "num_train", "num_test"
        )
        for name in ("latency", "max_delay"):
            if getattr(self, name) < 0:
                raise ConfigError(f"dcls-delays: {name}", expected="at least 0 steps", got=str(getattr(self, name)))
        for name in ("tau", "tau_readout"):
            if not getattr(self, name) > 1:
                raise ConfigError(f"dcls-delays: {name}", expected="more than 1 step", got=str(getattr(self, name)))
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError("dcls-delays: hidden", expected="at least one number >= 1", got=str(self.hidden))
        if not 0 <= self.dropout < 1:
            raise ConfigError("dcls-delays: dropout", expected="a share in [0, 1)", got=str(self.dropout))
        if not 0 <= self.noise <= 1 or not self.jitter >= 0 or not self.spike > 0:
            got = f"noise {self.noise}, jitter {self.jitter}, spike {self.spike}"
            raise ConfigError("dcls-delays", expected="noise in [0, 1], jitter >= 0, spike > 0", got=got)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(fsdd.CLASSES) if self.task == "digits" else self.classes

    @property
    def silence(self) -> int:
        """Steps after the last input in which the network is still listened to: half a delay a layer, as there."""
        return (len(self.hidden) + 1) * (self.max_delay // 2)

    @property
    def num_steps(self) -> int:
        """T."""
        heard = self.frames if self.task == "digits" else self.latency + SHIFT + 4
        return heard + self.silence


def build(config: Config) -> nn.Module:
    """Build the untrained network: spikes (T, B, N) in, potentials of the read-out (T, B, K) out."""
    longest = 0 if config.delays == "none" else config.max_delay
    lif = LIF(
        tau_m=config.tau, decay_input=False, discretisation="euler", reset=ToValue(detach=True), surrogate=ATan(alpha=5)
    )  # fmt: skip
    layers: dict[str, nn.Module] = {}
    before = config.inputs
    connect = partial(
        DelayedLinear, max_delay=longest, synapses=config.synapses, learn=config.delays == "learned"
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        for number, width in enumerate(config.hidden, start=1):
            layers[f"delayed{number}"] = connect(before, width)
            layers[f"norm{number}"] = nn.BatchNorm1d(width)
            layers[f"lif{number}"] = Spiking(lif)
            layers[f"dropout{number}"] = Dropout(config.dropout)
            before = width
        layers["readout"] = connect(before, config.num_classes)
    leaky = LeakyIntegrator(tau_m=config.tau_readout, decay_input=False, discretisation="euler")
    return Sequential({**layers, "membrane": Spiking(leaky)})


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    about = About(
        title=f"DCLS-Delays on {config.task}",
        summary=f"Hidden layers of {config.hidden} neurons, delays {config.delays}, at most {config.max_delay} steps.",
        seed=config.seed,
        dt_ms=HOP_MS if config.task == "digits" else 1.0,
        class_names=tuple(map(str, range(config.num_classes))),
    )
    return supervised.train(trainer(config), folder, watch, about)


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge, with whole delays, on samples that were held out.

    Returns: "accuracy" on the motifs; "rate", spikes a neuron and step; "energy_nj", of the synaptic operations for a
        sample; "moved", by how many steps a hidden delay is from where it was drawn, on average; with ``digits`` also
        "digits", "digits_rate" and "digits_energy_nj".
    """
    config = replace(config, seed=seed)
    parts = 2 if config.digits else 1
    found: dict[str, float] = {}
    for index, task in enumerate((config, digits(config))[:parts]):
        teacher = trainer(task)
        first = _delays(teacher.net)
        last = supervised.fit(teacher, supervised.part(progress, index, parts))
        assert teacher.test is not None
        inputs_TB, _ = next(iter(teacher.test.batches(0)))
        figures = {
            "accuracy": last["test_accuracy"],
            "rate": last["rate"],
            "energy_nj": supervised.energy_nj(teacher.net, inputs_TB),
        }
        if not index:
            found |= figures | {"moved": float((_delays(teacher.net) - first).abs().mean())}
        else:
            found |= {"digits" if name == "accuracy" else f"digits_{name}": value for name, value in figures.items()}
    return found


def _delays(net: nn.Module) -> Tensor:
    layer = net.get_submodule("delayed1")
    assert isinstance(layer, DelayedLinear)
    return layer.delay.detach().clone()


def digits(config: Config) -> Config:
    """Return the same system for the spoken digits."""
    if config.task == "digits":
        return config
    recipe = replace(config.train, epochs=8)
    return replace(config, task="digits", train=recipe, inputs=32, max_delay=12, dropout=0.2)


def trainer(config: Config) -> Trainer:
    """Make the trainer of a config."""
    net = build(config)
    return Trainer(
        net=net,
        rule=BPTT(),
        loss=SoftmaxSum(),
        train=Loader(samples=samples(config, "train"), encode=same, batch_size=config.batch_size, seed=config.seed),
        test=Loader(samples=samples(config, "test"), encode=same, batch_size=100, shuffle=False),
        config=config.train,
        callbacks=(NarrowDelays(net=net, epochs=config.train.epochs),),
        seed=config.seed,
        lr_scale=lambda name: config.delay_lr if name.endswith(".delay") else 1.0,
    )


def samples(config: Config, split: Split) -> Encoded:
    """Make the spikes (T, N) of a split, ending in silence."""
    if config.task == "motifs":
        return motifs(config, split)
    found: LabelledSet[Sound] = fsdd.load(split)
    if config.limit is not None and config.limit < len(found):
        order = torch.randperm(len(found), generator=generator(0, "digits", split))[: config.limit].tolist()
        return Encoded([hear(config, found[i][0]) for i in order], [found[i][1] for i in order])
    return preload(found, partial(hear, config))


def hear(config: Config, sound: Sound) -> Tensor:
    """Turn a sound into spikes (T, N): cochlea, then a sigma-delta code of each band."""
    energy_TN = Cochlea(num_bands=config.inputs, hop=HOP_MS, num_frames=config.frames)(sound)
    spikes_TN = sigma_delta(energy_TN.unsqueeze(1), threshold=config.spike)[:, 0, 1]
    return pad(spikes_TN, (0, 0, 0, config.silence))


def motifs(config: Config, split: Split) -> Encoded:
    """Draw motifs: spike of channel n at 2 + latency[class, n] + N(0, jitter) + shift, rounded, and stray spikes.

    What jitter would move out of the window is moved to its first or last step.
    """
    num = config.num_train if split == "train" else config.num_test
    of_all, own = generator(config.seed, "latencies"), generator(config.seed, "motifs", split)
    latency_KN = torch.randint(config.latency + 1, (config.classes, config.inputs), generator=of_all)
    labels_B = torch.randint(config.classes, (num,), generator=own)
    shift_B1 = torch.randint(SHIFT, (num, 1), generator=own)
    jitter_BN = config.jitter * torch.randn(num, config.inputs, generator=own)
    last = config.num_steps - config.silence - 1
    when_BN = (latency_KN[labels_B] + shift_B1 + jitter_BN + 2).round().long().clamp(0, last)
    spikes_BTN = (torch.rand(num, last + 1, config.inputs, generator=own) < config.noise).float()
    spikes_BTN.scatter_(1, when_BN.unsqueeze(1), 1.0)
    return Encoded(list(pad(spikes_BTN, (0, 0, 0, config.silence))), labels_B.tolist())


def without(config: Config, *, hidden: int) -> Config:
    """Return the control: no delays, and ``hidden`` neurons a layer."""
    return replace(config, delays="none", hidden=(hidden,) * len(config.hidden))


SHD = Config(
    task="digits", inputs=140, hidden=(256, 256), max_delay=24, dropout=0.4, batch_size=256,
    train=Train(epochs=150, optimiser=AdamW(lr=1e-3, weight_decay=0.0), schedule=Cosine(warmup=0.0)),
)  # fmt: skip
SSC = replace(SHD, hidden=(512, 512), max_delay=30, dropout=0.25, batch_size=128, tau=1.5, tau_readout=1.5)
DIGITS = digits(Config())
FIXED = Config(delays="fixed")

SYSTEM = System(
    name="dcls-delays",
    title="Learned delays",
    family="events",
    paper=Paper(
        title="Learning Delays in Spiking Neural Networks using Dilated Convolutions with Learnable Spacings",
        authors="Hammouamri, Khalfaoui-Hassani and Masquelier",
        year=2024,
        venue="ICLR",
        identifier="arXiv:2306.17670",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="Delays that are learned with the weights tell apart what weights alone cannot.",
        measure=measure,
        passes=lambda m: m["accuracy"] >= 0.9 and m["digits"] >= 0.82,
        config=Config(digits=True),
        control=without(Config(digits=True), hidden=128),
        minutes=3.5,
        fast=Fast(
            config=Config(), control=without(Config(), hidden=128), passes=lambda m: m["accuracy"] >= 0.9, minutes=0.7
        ),
    ),
)
