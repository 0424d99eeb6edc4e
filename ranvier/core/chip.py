"""What a neuromorphic chip is to us: number formats, limits and costs, each with its source."""

from dataclasses import dataclass, field

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """A fixed-point format: two's complement of ``bits`` bits of which ``fraction`` lie behind the point."""

    bits: int
    fraction: int = 0
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 64:
            raise ConfigError("NumberFormat.bits", expected="1 to 64 bits", got=str(self.bits))
        if not 0 <= self.fraction <= self.bits:
            raise ConfigError("NumberFormat.fraction", expected=f"0 to {self.bits} bits", got=str(self.fraction))

    @property
    def lowest(self) -> float:
        """The smallest value."""
        return -(2.0 ** (self.bits - 1 - self.fraction)) if self.signed else 0.0

    @property
    def highest(self) -> float:
        """The largest value."""
        return (2.0 ** (self.bits - self.signed) - 1) / 2.0**self.fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Energy of one event, pJ, and where the figure was published."""

    energy: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A chip as a frozen description.

    Args:
        name: as its makers call it. source: the publication the figures come from.
        weight, state: number formats of synaptic weights and of membrane state.
        num_cores: cores of the chip. neurons_per_core, synapses_per_core, fan_in: limits; None where none is known.
        costs: energy of "synop", "neuron update", "spike" ..., each with its source.
    """

    name: str
    source: str
    weight: NumberFormat
    state: NumberFormat
    num_cores: int
    neurons_per_core: int
    synapses_per_core: int | None = None
    fan_in: int | None = None
    costs: dict[str, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_counts("Chip.", self, "num_cores", "neurons_per_core")
