"""What a benchmark is: cases, contenders that solve each, and the least that physics lets them do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

Case = Mapping[str, Any]  # such as {"N": 1048576, "T": 16}
Results = tuple[Tensor, ...]  # what contenders of equal meaning must agree in: spikes, gradients


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One implementation of a case, ready to run.

    Args:
        operations: what is timed, by name.
        results: gives what must be equal to ours before anything is timed; None where ``differs`` says why not.
        differs: how its meaning differs from the workload's; the amount of work is the same.
    """

    operations: Mapping[str, Callable[[], object]]
    results: Callable[[], Results] | None = None
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """The least an operation can cost.

    Args:
        unit: what is counted, "neuron-step"; count: how many of them.
        bytes: that must cross the memory bus. float_operations: that must be done; of which type, "float32".
    """

    unit: str
    count: float
    bytes: float = 0.0
    float_operations: float = 0.0
    dtype: str = "float32"


class Workload(Protocol):
    """A module of this room with these names is a workload."""

    NAME: str
    WORDS: str
    CASES: tuple[Case, ...]

    def contenders(self, case: Case) -> Mapping[str, Callable[[], Contender]]:
        """Return how to make each contender, "ours" first. Making one raises ImportError if it is not installed."""

    def least(self, case: Case, operation: str) -> Least:
        """Return the least that an operation of a case costs."""


@dataclass(frozen=True, slots=True)
class Made:
    """The contenders of a case that could be made, and why the others could not."""

    contenders: dict[str, Contender] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
