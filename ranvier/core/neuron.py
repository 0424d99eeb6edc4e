"""The neuron: one frozen description with one elementwise step, from which everything else is derived."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.formula import page
from ranvier.core.params import Described
from ranvier.core.reset import Reset, Subtract
from ranvier.core.surrogate import Surrogate, spike
from ranvier.core.surrogates.atan import ATan


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Neuron(Described, ABC):
    """A model neuron: parameters with units, a state, and how one time step changes it.

    A subclass is a frozen dataclass. It declares its parameters as fields, its state as a named tuple ``State``, and
    ``step``; see ``ranvier/neurons/lif.py``. Reference loop, C++ and GPU kernels, gradients, the manual page and the
    conformance tests are derived from these.

    Args:
        surrogate: stand-in derivative of the spike in the backward pass.
        reset: what a spike does to the membrane, for neurons whose ``step`` asks ``self.reset``.
        strict: whether the membrane must exceed its threshold (v > v_th); otherwise reaching it is enough (v >= v_th).
    """

    surrogate: Surrogate = ATan()
    reset: Reset = Subtract()
    strict: bool = False

    State: ClassVar[Any]  # a NamedTuple of tensors, declared by each neuron

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        state = cls.__dict__.get("State", getattr(cls, "State", None))
        if state is not None and not (isinstance(state, type) and hasattr(state, "_fields")):
            raise ConfigError(f"{cls.__name__}.State", expected="a NamedTuple of tensors", got=repr(state))

    @abstractmethod
    def step(self, state: Any, current: Tensor, *, dt: float) -> tuple[Any, Tensor]:
        """Advance by one time step.

        Elementwise in plain PyTorch: no sums, no indexing, no branches on values.

        Args: state: a ``State`` of tensors. current: input of this step, same shape. dt: length of the step, ms.
        Returns: the new state and the output (spikes, 0 or 1; graded for some neurons).
        """

    def rest(self) -> Any:
        """Return the state of a neuron that has heard nothing for long: a ``State`` of numbers, 0 unless overridden."""
        return self.State(*(0.0 for _ in self.State._fields))

    def spike(self, x: Tensor) -> Tensor:
        """Fire where x = v - v_th has reached 0, with this neuron's surrogate and strictness."""
        return spike(x, self.surrogate, strict=self.strict)

    def equivalents(self, *, dt: float) -> Mapping[str, str]:  # noqa: ARG002 - what is asked of those that override it
        """Say how other libraries write this neuron: ``{"SpikingJelly": "IFNode(...)"}``; only exact equivalents."""
        return {}

    def describe(self, *, dt: float = 1.0) -> str:
        """Write the neuron's parameters, the equations of one step with numbers put in, and its names elsewhere.

        Args: dt: length of the step, ms.
        """
        return page(self, self.equivalents(dt=dt), dt=dt)
