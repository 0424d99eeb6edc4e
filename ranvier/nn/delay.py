"""A fixed delay of whole time steps. Axes: T time, B batch, D delay."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.core.units import to_steps
from ranvier.nn.stateful import Stateful


class Delay(Stateful):
    """A delay line: y[t] = x[t - D], 0 where that is before the start.

    Args: delay: number of steps as an int, or a time such as "5 ms". dt: time step, ms.
    Raises: UnitError for a delay that is negative or shorter than half a step.
    """

    class State(NamedTuple):
        """State of a delay line."""

        past: Tensor  # (B, D, ...) the last D inputs, the oldest first

    def __init__(self, delay: int | float | str, *, dt: float = 1.0) -> None:
        super().__init__()
        self.num_steps = to_steps(delay, dt=dt, where="Delay.delay")

    @property
    def state_type(self) -> Any:
        """The inputs still under way."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """D steps of the input."""
        return (torch.Size((x_TB.shape[1], self.num_steps, *x_TB.shape[2:])),)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Delay (T, B, ...); the state holds what is still under way."""
        self.check(x_TB, state)
        past_DB = x_TB.new_zeros(self.num_steps, *x_TB.shape[1:]) if state is None else state.past.transpose(0, 1)
        all_TB = torch.cat([past_DB.to(x_TB.dtype), x_TB])
        length = x_TB.shape[0]
        return all_TB[:length].clone(), self.State(all_TB[length:].transpose(0, 1).contiguous())

    def extra_repr(self) -> str:
        """Show the delay."""
        return f"{self.num_steps} steps"
