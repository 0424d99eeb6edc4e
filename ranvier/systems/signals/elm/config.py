"""What can be chosen about the neuron of expressive leaky memory: its task, its sizes and its recipe."""

from dataclasses import dataclass, field, replace
from typing import Literal

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.data.adding import DIGITS
from ranvier.nn import Leaks
from ranvier.systems.signals.elm.fit import Fit
from ranvier.train import Adamax, AdamW, Cosine, OneCycle, Train

SHD_CHANNELS = 700
SUMS = tuple(str(k) for k in range(2 * DIGITS - 1))
CLASSES = tuple(str(k) for k in range(DIGITS))
SIDE = 14  # of the digits that are shown pixel by pixel
SHORT = 20.0  # ms, the longest time constant of the control

Task = Literal["motifs", "fsdd", "shd", "mnist"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The neuron, the task and the recipe.

    Args:
        task: "motifs", "fsdd", "shd": sums of two digits that are spike motifs, spoken (English, or Heidelberg's);
            "mnist": handwritten digits pixel by pixel.
        net: "elm" or, for comparison, an "lstm" of about as many parameters.
        memory: memory units. leaks: their time constants.
        channels: of "motifs" and of the cochlea of "fsdd". digits: kinds of motifs, 2 to 10.
        steps: of a digit of the sums, each of ``dt`` ms; longer recordings are cut.
        num_digits: motifs to draw pairs from, of each split. num_train, num_test: pairs, or digits of "mnist".
        dropout: share of input counts that is zeroed while learning, drawn at each step.
        compare: whether ``measure`` trains the LSTM too, by the recipe ``rival``.
        fit: how copies of neurons are made; None: none are.
        further: tasks that ``measure`` goes through beside, by their own recipes in ``FURTHER``, but with memory units
            no slower than ``leaks.tau_max``.
    """

    seed: int = 0
    task: Task = "motifs"
    net: Literal["elm", "lstm"] = "elm"
    memory: int = 25
    leaks: Leaks = field(default_factory=lambda: Leaks(tau_max=500.0))
    channels: int = 30
    digits: int = 5
    steps: int = 15
    dt: float = 10.0
    num_digits: int = 500
    num_train: int = 1000
    num_test: int = 400
    batch_size: int = 25
    dropout: float = 0.0
    compare: bool = True
    fit: Fit | None = field(default_factory=Fit)
    further: tuple[Task, ...] = ("fsdd", "mnist")
    train: Train = field(
        default_factory=lambda: Train(
            epochs=8, optimiser=AdamW(lr=0.01, weight_decay=0.0), schedule=OneCycle(peak=0.1), clip=1.0
        )
    )
    rival: Train = field(
        default_factory=lambda: Train(
            epochs=24, optimiser=AdamW(lr=0.03, weight_decay=0.0), schedule=Cosine(), clip=1.0
        )
    )

    def __post_init__(self) -> None:
        require_counts(
            "elm-neuron: ", self, "memory", "channels", "steps", "num_digits", "num_train", "num_test", "batch_size"
        )
        if not 2 <= self.digits <= DIGITS:
            raise ConfigError("elm-neuron: digits", expected="2 to 10", got=str(self.digits))
        for task in self.further:
            if task not in FURTHER:
                raise ConfigError("elm-neuron: further", expected=f"of {', '.join(FURTHER)}", got=repr(task))
        if not self.dt > 0:
            raise ConfigError("elm-neuron: dt", expected="a time > 0 ms", got=str(self.dt))
        if not 0 <= self.dropout < 1:
            raise ConfigError("elm-neuron: dropout", expected="a share in [0, 1)", got=str(self.dropout))

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return {"shd": SHD_CHANNELS, "mnist": 1}.get(self.task, self.channels)

    @property
    def classes(self) -> tuple[str, ...]:
        """What there is to tell apart."""
        return CLASSES if self.task == "mnist" else SUMS


def control(config: Config) -> Config:
    """Return the same with memory units that forget within ``SHORT``, and without comparisons."""
    return replace(config, leaks=replace(config.leaks, tau_max=SHORT), compare=False, fit=None)


SPOKEN = Config(
    task="fsdd", memory=50, channels=32, steps=50, num_train=12000, num_test=1000, batch_size=32, dropout=0.2, fit=None,
    further=(), train=Train(epochs=8, optimiser=AdamW(lr=7e-3, weight_decay=0.0), schedule=Cosine(), clip=1.0),
    rival=Train(epochs=8, optimiser=AdamW(lr=5e-3, weight_decay=0.0), schedule=Cosine(), clip=1.0),
)  # fmt: skip
"""Sums of spoken digits, half a second each: the paper's SHD-Adding, made from recordings that can be had."""

PIXELS = Config(
    task="mnist", memory=50, num_train=8000, num_test=1000, batch_size=50, fit=None, further=(),
    train=Train(epochs=6, optimiser=AdamW(lr=5e-3, weight_decay=0.0), schedule=Cosine(), clip=1.0),
    rival=Train(epochs=6, optimiser=AdamW(lr=0.01, weight_decay=0.0), schedule=Cosine(), clip=1.0),
)  # fmt: skip
"""Handwritten digits pixel by pixel, 196 steps of which the last are blank."""

HEIDELBERG = Config(
    task="shd", memory=100, steps=100, batch_size=8, dropout=0.5, num_train=16000, num_test=2000, fit=None, further=(),
    train=Train(epochs=10, optimiser=Adamax(lr=5e-3)),
)  # fmt: skip
"""As the paper has it: 2000 batches an epoch."""

FURTHER = {"fsdd": SPOKEN, "mnist": PIXELS, "shd": HEIDELBERG}
