"""What image systems do alike: train a network on a task, measure it for a claim, and report.

Letters: T time, B batch, K classes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import nn

from ranvier.core.claim import Measured, Progress
from ranvier.core.neuron import Neuron
from ranvier.core.system import Watcher
from ranvier.data.augment import Mixing
from ranvier.data.loader import Loader
from ranvier.measure import About
from ranvier.neurons import IF, LIF, PLIF
from ranvier.nn import Spiking
from ranvier.rules import BPTT
from ranvier.systems import supervised
from ranvier.systems.vision.images import Images
from ranvier.train import Train, Trainer
from ranvier.train.losses import RateCrossEntropy

# The neuron of Spikformer, Meta-SpikeFormer and Max-Former: h = v + (x - v) / 2, spike at 1, back to 0, the reset
# without gradient, derivative of a sigmoid of slope 4. Time is counted in steps: dt = 1 ms stands for one.
NEURON = LIF.like_spikingjelly(tau=2.0, detach_reset=True)

NeuronName = Literal["lif", "plif", "if"]
# Others in its place, with the same threshold, reset and surrogate: a leak that is learned and begins as that of
# ``NEURON``, and none.
NEURONS: dict[NeuronName, Neuron] = {
    "lif": NEURON,
    "plif": PLIF.of_tau(2.0).replace(reset=NEURON.reset, surrogate=NEURON.surrogate),
    "if": IF(reset=NEURON.reset, surrogate=NEURON.surrogate),
}


def let_learn(net: nn.Module) -> None:
    """Let every layer learn what its neuron has to learn (``PLIF.LEARNED``)."""
    for module in list(net.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, Spiking) and (learned := getattr(layer.neuron, "LEARNED", ())):
                setattr(module, name, Spiking(layer.neuron, learn=learned))


def trainer(net: nn.Module, task: Images, recipe: Train, *, seed: int, label_smoothing: float = 0.0) -> Trainer:
    """Make the trainer of a network (T, B, C, H, W) -> (T, B, K): back-propagation through time, the mean decides."""
    return Trainer(
        net=net, rule=BPTT(), loss=RateCrossEntropy(label_smoothing=label_smoothing), train=task.train(seed),
        test=task.test(), config=recipe, seed=seed,
    )  # fmt: skip


def measure(trainer: Trainer, progress: Progress) -> Measured:
    """Train, then judge once on held-out images.

    Returns: "accuracy", share of right answers; "rate", spikes a neuron and step; "energy_nj", of the synaptic
        operations for an image.
    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """
    assert trainer.test is not None
    supervised.fit(replace(trainer, test=None), progress)  # judging each epoch would cost as much as training
    progress(1.0, "judging")
    judgement = trainer.judge()
    assert judgement.accuracy is not None
    neurons = sum(layer.num_neurons for layer in judgement.activity.values())
    rate = sum(layer.rate * layer.num_neurons for layer in judgement.activity.values()) / neurons
    inputs_TB, _ = next(iter(trainer.test.batches(0)))
    energy = supervised.energy_nj(trainer.net, inputs_TB)
    return {"accuracy": judgement.accuracy, "rate": rate, "energy_nj": energy}


def train(trainer: Trainer, folder: Path, watch: Watcher, about: About) -> str:
    """Train in a run folder; see ``System.train``."""
    return supervised.train(trainer, folder, watch, about)


def about(name: str, task: Images, trainer: Trainer) -> About:
    """Say in words what was trained on what."""
    train, test = trainer.train, trainer.test
    assert isinstance(train, Loader | Mixing)
    assert isinstance(test, Loader)
    return About(
        title=f"{name} on {task.title}",
        summary=f"{name}, trained on {len(train.samples)} images of {task.title}, each shown for {task.steps} steps, "
        f"and judged on {len(test.samples)} others.",
        seed=trainer.seed,
        class_names=task.classes,
    )
