"""Stages of an event-driven network: what each computes in a time step, for the executors that run them.

Maps are (B, H, W, C). The law: an output starts from its bias and adds value * weight for each event that reaches it,
events in ascending order of their place (H, W, C), each product and sum rounded by itself; ``reference`` spells it out.
int8 sums start from 0, are scaled, and get their bias at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ranvier.core.program import Program
from ranvier.kernels.sparse.sizes import Sizes
from ranvier.kernels.sparse.tables import Taps
from ranvier.kernels.sparse.weights import Rows

FORMS = ("none", "scatter", "gather", "dense")  # how a stage ran a step, by number


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A linear layer. Args: crossover: share of inputs that are events above which the dense product is taken."""

    rows: Rows
    sizes: Sizes  # of the output
    crossover: float = 1.0

    def dense(self, x_BHWC: Tensor) -> Tensor:
        """Compute the same by a dense product of torch's."""
        bias = None if self.rows.bias is None else self.rows.bias[: self.sizes.total]
        return F.linear(x_BHWC.flatten(1), self.rows.values.T, bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution, transposed or not, in one or two dimensions.

    Args:
        rows: of the weights, (kernel row, kernel column, channel in). down, across: taps along height and width.
        kernel: its height and width. product: the same on (B, C, H, W) by torch; takes weights (out, in / groups, h, w)
            or, transposed, (in, out / groups, h, w).
    """

    rows: Rows
    sizes: Sizes
    channels_in: int
    kernel: tuple[int, int]
    groups: int
    down: Taps
    across: Taps
    transposed: bool
    product: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    crossover: float = 1.0

    def weight(self) -> Tensor:
        """The weights as torch has them."""
        w = self.rows.values.reshape(*self.kernel, self.channels_in, self.rows.outputs)  # h w i o
        if self.transposed:
            return w.permute(2, 3, 0, 1)
        of_group = w.reshape(*self.kernel, self.groups, self.channels_in // self.groups, self.rows.outputs)
        return of_group.permute(2, 4, 3, 0, 1).flatten(0, 1)

    def dense(self, x_BHWC: Tensor) -> Tensor:
        """Compute the same by a dense product of torch's."""
        bias = None if self.rows.bias is None else self.rows.bias[: self.sizes.channels]
        return self.product(x_BHWC.permute(0, 3, 1, 2), self.weight(), bias).permute(0, 2, 3, 1)


class Recurrence(NamedTuple):
    """Weights from the neurons of a layer to themselves."""

    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Neurons:
    """Neurons of one layer.

    Args:
        program: of a step, with the spikes as its only output. values: of its coefficients: (1,), (C,) or (H * W * C,).
        states: their number; they are (B, H, W, C) each, that of a recurrent layer has ``last_spikes`` after them.
    """

    program: Program
    values: tuple[Tensor, ...]
    sizes: Sizes
    states: int
    recurrence: Recurrence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Pooling by windows. Args: divisors_HW: of each output for means; None for maxima."""

    sizes: Sizes
    down: Taps
    across: Taps
    divisors_HW: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A delay line of ``steps`` time steps; its state (B, steps, H, W, C) is a ring, the oldest at t % steps."""

    steps: int
    sizes: Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """Channels first, as one axis."""

    sizes: Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Something that runs outside, on dense maps. Args: call: from one dense map to the next. form: how, in a word."""

    sizes: Sizes
    call: Callable[[Tensor], Tensor] = field(compare=False)
    form: str = "dense"

    def dense(self, x_BHWC: Tensor) -> Tensor:
        """Run it."""
        return self.call(x_BHWC)


Product = Linear | Convolution
Stage = Linear | Convolution | Neurons | Pool | Delay | Flatten | Foreign
Outside = (Linear, Convolution, Foreign)  # stages that may ask for a dense computation outside the session


class Exchange(NamedTuple):
    """Dense maps through which a stage gets something computed outside."""

    given: Tensor  # (B, H, W, C) its input
    result: Tensor  # (B, H, W, C) its output


class Counts(NamedTuple):
    """What a stage has seen since its session was made."""

    steps: int
    events: int
    inputs: int  # places where events could have been
    synops: int  # additions of value * weight
    last_density: float
    forms: list[int]  # steps in each of FORMS
    last: int  # the latest of FORMS
