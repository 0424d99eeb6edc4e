"""Learned neuron constants, and classification by the Lempel-Ziv complexity of spike trains.

Source: Rudnicka, Szczepanski and Pregowska 2025, arXiv:2508.11674: the constants of LIF and meta neurons are learned
with the weights, output trains are told apart by their complexity, and learning rules are compared on the same trains.
The paper's exact equations of its probabilistic neuron could not be had: ``Meta`` and ``LevyBaxter`` are the two
readings. The membrane resistance R of its LIF neuron is not learned apart, since it only scales the weights.

Two tasks of the paper's kind and one of real recordings: "rates", Poisson trains of two rates; "memory", Markov trains
that fire equally often but with more or less regular intervals, so that only what remembers can tell them apart;
"digits", the event recordings of two digits.

The claim is about learning the constants: from a membrane that forgets within a step, training finds one that
remembers. The control learns the weights alone. The complexity head is measured beside it, on the memory task: it tells
trains apart whose counts are equal.

Letters: T time, B batch, N inputs, K classes.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.reset import ToValue
from ranvier.core.rule import Rule
from ranvier.core.seeds import derive, generator
from ranvier.core.system import Paper, System, Watcher
from ranvier.data import Loader, NumWindows, preload, same, trains
from ranvier.data.loader import Encoded
from ranvier.data.sets import nmnist
from ranvier.measure import About, normalised_lempel_ziv
from ranvier.neurons import LIF, PLIF, Meta, Tempotron
from ranvier.nn import Sequential, Spiking
from ranvier.rules import BPTT, STDP
from ranvier.systems import supervised
from ranvier.train import SGD, AdamW, Constant, Train, Trainer
from ranvier.train.losses import Objective, RateCrossEntropy, TempotronLoss

RATES_HZ = (20.0, 26.0)
MEMORY = ((0.05, 0.45), (0.1, 0.9))  # p_start, p_stop: both fire in a tenth of the steps
DIGITS = (0, 1)
STEP_MS = {"rates": 1.0, "memory": 1.0, "digits": 6.3}
CLASSES = {"rates": ("20 Hz", "26 Hz"), "memory": ("persistent", "regular"), "digits": ("0", "1")}

Task = Literal["rates", "memory", "digits"]
RuleName = Literal["bptt", "stdp", "tempotron"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The network, the task and the recipe.

    Args:
        task: see above. neuron: of the hidden layer. rule: how the hidden weights learn; "tempotron" has no hidden
            layer. learn: whether the hidden neurons' constants are learned too (time constant and threshold of "lif";
            theta_v, theta_u, theta_s and the reset of "meta").
        tau: time constant of "lif" before training, in steps, > 1.
        inputs: trains a sample (the digits have their own number). steps: their length. hidden: neurons.
        num_train, num_test: samples, half of each class. compare: whether ``measure`` trains with every rule on the
            rates and the digits too.
    """

    seed: int = 0
    task: Task = "memory"
    neuron: Literal["lif", "meta"] = "lif"
    rule: RuleName = "bptt"
    learn: bool = True
    tau: float = 1.05
    inputs: int = 20
    steps: int = 100
    hidden: int = 20
    num_train: int = 800
    num_test: int = 800
    batch_size: int = 50
    compare: bool = True
    train: Train = field(
        default_factory=lambda: Train(epochs=20, optimiser=AdamW(lr=0.02, weight_decay=0.0), schedule=Constant())
    )

    def __post_init__(self) -> None:
        require_counts("meta-neuron-lzc: ", self, "inputs", "steps", "hidden", "batch_size")
        for name in ("num_train", "num_test"):
            if getattr(self, name) < 2 or getattr(self, name) % 2:
                where = f"meta-neuron-lzc: {name}"
                raise ConfigError(where, expected="an even number >= 2", got=str(getattr(self, name)))
        if not self.tau > 1:
            raise ConfigError("meta-neuron-lzc: tau", expected="more than one step", got=str(self.tau))

    @property
    def num_inputs(self) -> int:
        """Trains a sample: those of a recording are 12 x 12 pixels of two polarities."""
        return 2 * 12 * 12 if self.task == "digits" else self.inputs


def build(config: Config) -> nn.Module:
    """Build the untrained network: trains (T, B, N) in, one output a class (T, B, K)."""
    classes = len(CLASSES[config.task])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        if config.rule == "tempotron":
            linear = nn.Linear(config.num_inputs, classes, bias=False)
            nn.init.normal_(linear.weight, std=0.5 * config.num_inputs**-0.5)
            return Sequential({"linear": linear, "tempotron": Spiking(Tempotron())})
        hidden = nn.Linear(config.num_inputs, config.hidden, bias=config.rule == "bptt")
        if config.rule == "stdp":  # synapses of both signs cannot be had: weights lie in [0, 1]
            nn.init.uniform_(hidden.weight, 0.0, 1.0)
        layers = {"hidden": hidden, "neurons": _neurons(config), "readout": nn.Linear(config.hidden, classes)}
    return Sequential(layers)


def _neurons(config: Config) -> Spiking:
    if config.neuron == "meta":
        return Spiking(Meta(), learn=Meta.LEARNED if config.learn else ())
    # Weights in [0, 1] add up: without negative ones the threshold has to grow with the number of inputs.
    v_th = 0.01 * config.num_inputs if config.rule == "stdp" else 1.0
    return Spiking(PLIF.of_tau(config.tau, v_th=v_th), learn=("w", "v_th") if config.learn else ())


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    how = "learned" if config.learn else "fixed"
    about = About(
        title=f"Learned neurons on {config.task}",
        summary=f"{config.hidden} {config.neuron} neurons with {how} constants, trained by {config.rule}.",
        seed=config.seed,
        dt_ms=STEP_MS[config.task],
        class_names=CLASSES[config.task],
    )
    return supervised.train(_trainer(config), folder, watch, about)


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge on trains that were held out.

    Returns: "accuracy"; "rate", spikes a neuron and step; "tau", the time constant after training, steps (of "lif");
        "lzc" and "count", accuracy of the nearest class mean of the complexities and of the spike counts of relay
        neurons on the memory task; with ``compare``, accuracy with each rule, such as "rates_stdp"; "energy_nj".
    """
    config = replace(config, seed=seed)
    others: list[tuple[Task, RuleName]] = [(t, r) for t in ("rates", "digits") for r in ("bptt", "stdp", "tempotron")]
    parts = 1 + (len(others) if config.compare else 0)
    trainer = _trainer(config)
    last = supervised.fit(trainer, supervised.part(progress, 0, parts))
    inputs_TB, _ = next(iter(trainer.test.batches(0))) if trainer.test else (torch.empty(0), None)
    found = {"accuracy": last["test_accuracy"], "rate": last["rate"]}
    if config.neuron == "lif" and config.rule != "tempotron":
        leak = trainer.net.get_submodule("neurons").neuron.w  # type: ignore[union-attr] # a Spiking
        found["tau"] = float(1 / torch.as_tensor(leak).sigmoid())
    found |= {"lzc": relay_accuracy(config, "lzc"), "count": relay_accuracy(config, "count")}
    for index, (task, rule) in enumerate(others if config.compare else (), start=1):
        other = replace(config, task=task, rule=rule, tau=5.0, learn=rule == "bptt", train=RECIPES[rule])
        last = supervised.fit(_trainer(other), supervised.part(progress, index, parts, f"{task} by {rule}"))
        found[f"{task}_{rule}"] = last["test_accuracy"]
    return found | {"energy_nj": supervised.energy_nj(trainer.net, inputs_TB)}


def relay_accuracy(config: Config, head: Literal["lzc", "count"]) -> float:
    """Classify the memory task by what relay neurons, which repeat their input spike by spike, send out.

    The nearest class mean of a vector with one number a neuron: its normalised complexity, or how often it fired.

    Returns: share of right answers on held-out trains.
    """
    relay = Spiking(LIF(tau_m=1.0, decay_input=False, v_th=0.9, reset=ToValue()))

    def features(split: str) -> tuple[Tensor, Tensor]:
        samples_TBN, labels_B = _sources("memory", config, split)
        spikes_TBN = relay(samples_TBN)
        return (normalised_lempel_ziv(spikes_TBN) if head == "lzc" else spikes_TBN.sum(0).double()), labels_B

    (known_BN, known_B), (new_BN, new_B) = features("train"), features("test")
    means_KN = torch.stack([known_BN[known_B == k].mean(0) for k in range(2)])
    return float((torch.cdist(new_BN, means_KN).argmin(1) == new_B).double().mean())


def _sources(task: Task, config: Config, split: str) -> tuple[Tensor, Tensor]:
    """Draw (T, B, N) trains and their classes (B,)."""
    count = (config.num_train if split == "train" else config.num_test) // 2
    shape, random = (config.steps, count, config.inputs), generator(config.seed, task, split)
    if task == "rates":
        drawn = [trains.bernoulli(rate, shape, generator=random) for rate in RATES_HZ]
    else:
        drawn = [trains.markov(*source, shape, generator=random) for source in MEMORY]
    return torch.cat(drawn, 1), torch.arange(2).repeat_interleave(count)


def _samples(config: Config, split: Literal["train", "test"]) -> Encoded:
    if config.task == "digits":
        recordings = nmnist.sample(split)
        chosen = [index for index in range(len(recordings)) if int(recordings.labels[index]) in DIGITS]
        framing = NumWindows(num=50, duration=nmnist.DURATION_MS, start=0.0, values="binary", shrink=3)
        return preload(recordings.take(torch.tensor(chosen).numpy()), lambda events: framing(events).flatten(1))
    samples_TBN, labels_B = _sources(config.task, config, split)
    return Encoded(list(samples_TBN.unbind(1)), labels_B.tolist())


def _trainer(config: Config) -> Trainer:
    rules: dict[RuleName, Rule] = {
        "bptt": BPTT(),
        "stdp": STDP(synapses=("hidden",), neurons=("neurons",), bounds="soft"),
        "tempotron": BPTT(),
    }
    loss: Objective = TempotronLoss() if config.rule == "tempotron" else RateCrossEntropy()
    return Trainer(
        net=build(config),
        rule=rules[config.rule],
        loss=loss,
        train=Loader(samples=_samples(config, "train"), encode=same, batch_size=config.batch_size, seed=config.seed),
        test=Loader(samples=_samples(config, "test"), encode=same, batch_size=200, shuffle=False),
        config=config.train,
        seed=config.seed,
    )


RECIPES: dict[RuleName, Train] = {
    "bptt": Train(epochs=20, optimiser=AdamW(lr=0.01, weight_decay=0.0), schedule=Constant()),
    "stdp": Train(epochs=20, optimiser=SGD(lr=0.5, momentum=0.0), schedule=Constant()),
    "tempotron": Train(epochs=20, optimiser=SGD(lr=0.003, momentum=0.0), schedule=Constant()),
}

SYSTEM = System(
    name="meta-neuron-lzc",
    title="Learned neuron constants and Lempel-Ziv classification",
    family="signals",
    paper=Paper(
        title="Learning Internal Biological Neuron Parameters and Complexity-Based Encoding for Improved Spiking "
        "Neural Networks Performance",
        authors="Rudnicka, Szczepanski and Pregowska",
        year=2025,
        venue="arXiv",
        identifier="arXiv:2508.11674",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="Constants of neurons that are learned with the weights raise accuracy, and the complexity of spike "
        "trains tells apart what their counts cannot.",
        measure=measure,
        passes=lambda m: m["accuracy"] >= 0.75 and m["lzc"] >= 0.9 and m["count"] <= 0.6,
        config=Config(),
        control=replace(Config(), learn=False, compare=False),
        published={"gain of learning LIF constants": "up to 13.50 points", "best of SNN-LZC": "up to 99.50 %"},
        minutes=3.0,
        fast=Fast(
            config=replace(Config(), compare=False),
            control=replace(Config(), learn=False, compare=False),
            passes=lambda m: m["accuracy"] >= 0.75 and m["lzc"] >= 0.9 and m["count"] <= 0.6,
        ),
    ),
)
