"""Neurons that hear each other's spikes one step later. Axes: T time, B batch, N neurons."""

from collections import namedtuple
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.neuron import Neuron
from ranvier.kernels.dispatch import Executor
from ranvier.kernels.packed import Form, checked_form, handed_on
from ranvier.kernels.plan import plan as make_plan
from ranvier.kernels.recurrent import run as run_kernel
from ranvier.nn.learned import adopt, check_broadcast, checked_dt, checked_executor, live
from ranvier.nn.observe import observer
from ranvier.nn.spiking import summary
from ranvier.nn.stateful import Stateful


@cache
def _state_type(own: type) -> Any:
    """Make the state of recurrent neurons: the neuron's own variables and the spikes of the last step."""
    return namedtuple(f"Recurrent{own.__name__}", (*own._fields, "last_spikes"))  # type: ignore[attr-defined]


class Recurrent(Stateful):
    """A layer of N neurons with all-to-all connections among them.

    I[t] = x[t] + W s[t-1] + b, s[-1] = 0, where s are the neurons' spikes; I drives the neurons.

    Args:
        neuron: its description, as for ``Spiking``. size: N, the last axis of the input.
        dt: time step, ms. learn: names of neuron parameters to be learned. bias: whether there is b.
        executor: who computes the neurons. spikes: how they are handed on, as for ``Spiking``.
    Attributes: weight (N, N), out first, uniform in +-1/sqrt(N) at first; bias (N,), 0 at first.
    State: the neuron's variables (B, ..., N) and ``last_spikes`` (B, ..., N).
    Raises: ShapeError, DtypeError, StateError for an input or state that does not fit.
    """

    def __init__(
        self, neuron: Neuron, size: int, *, dt: str | float = 1.0, learn: tuple[str, ...] = (), bias: bool = False,
        executor: Executor = "auto", spikes: Form = "dense",
    ) -> None:  # fmt: skip
        super().__init__()
        self.spikes = checked_form("Recurrent", spikes)
        if size < 1:
            raise ConfigError("Recurrent.size", expected="at least 1 neuron", got=str(size))
        self.size = size
        self.executor = checked_executor("Recurrent", executor)
        self.plan = make_plan(adopt(self, neuron, learn), dt=checked_dt("Recurrent", dt))
        self._state_type = _state_type(self.plan.neuron.State)
        self.weight = nn.Parameter(torch.empty(size, size).uniform_(-(size**-0.5), size**-0.5))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    @property
    def state_type(self) -> Any:
        """The neuron's variables and ``last_spikes``."""
        return self._state_type

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run currents (T, B, ..., N) from a state; returns spikes and the new state."""
        self.check(x_TB, state)
        if x_TB.ndim < 3 or x_TB.shape[-1] != self.size:
            expected = f"input (T, B, ..., {self.size})"
            mend = f"Project it by nn.Linear(..., {self.size}) first."
            raise ShapeError(self.title(), expected=expected, got=str(tuple(x_TB.shape)), mend=mend)
        values = live(self, self.plan.learned)
        check_broadcast(self.title(), values, x_TB)
        watching = observer()
        plan = self.plan if watching is None else watching.plan(self, self.plan)
        own: Any = None if state is None else plan.neuron.State(*state[:-1])
        last_BN = torch.zeros_like(x_TB[0]) if state is None else state.last_spikes.to(x_TB.dtype)
        seen, own = run_kernel(plan, x_TB, self.weight, self.bias, own, last_BN, params=values, executor=self.executor)
        state = self.state_type(*own, seen["spikes"][-1])
        seen["spikes"] = handed_on(seen["spikes"], self.spikes, where=self.title())
        if watching is not None:
            watching.see(self, seen)
        return seen["spikes"], state

    def __getstate__(self) -> dict[str, Any]:
        # The type of the state is made at run time, so a pickle cannot name it.
        return {name: value for name, value in self.__dict__.items() if name != "_state_type"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._state_type = _state_type(self.plan.neuron.State)

    def title(self) -> str:
        """Name the layer and its neuron in errors."""
        return f"Recurrent({type(self.plan.neuron).__name__})"

    def extra_repr(self) -> str:
        """Show the neuron, its numbers and what is learned."""
        handed = "" if self.spikes == "dense" else f", spikes={self.spikes}"
        sizes = f"size={self.size}, bias={self.bias is not None}"
        return f"{summary(self, self.plan.neuron, dt=self.plan.dt)}, {sizes}{handed}"
