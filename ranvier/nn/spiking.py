"""A neuron description as a torch layer. Axes: T time, B batch."""

from typing import Any

from torch import Tensor, nn

from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters, unit_of
from ranvier.kernels.cpu.normed import Norm
from ranvier.kernels.dispatch import Executor
from ranvier.kernels.dispatch import run as run_kernel
from ranvier.kernels.packed import Form, checked_form, handed_on
from ranvier.kernels.plan import plan as make_plan
from ranvier.nn.learned import adopt, check_broadcast, checked_dt, checked_executor, live
from ranvier.nn.observe import observer
from ranvier.nn.stateful import Stateful


class Spiking(Stateful):
    """A layer of independent neurons: currents (T, B, ...) become spikes of the same shape and type.

    Args:
        neuron: its description. Fields that are tensors give every neuron, or every channel as (C, 1, 1), its own
            value; they are buffers of the layer.
        dt: time step, ms. learn: names of neuron parameters that training may change, such as ("tau_m",).
        executor: who computes; "auto" lets device and installation decide.
        spikes: how they are handed on: "dense", or as ``PackedSpikes`` of the form "bits" (a neuron that gives 0 and 1)
            or "uint8" (whole numbers from 0 to 255). Values and gradients are the same. Compiled
            and exported networks hand them on dense.
    Attributes: neuron parameters that are learned or tensors, under their own names, also in ``state_dict``.
    Raises: ShapeError, DtypeError, StateError for an input or state that does not fit; ConfigError for spikes that do
        not fit their form.
    """

    def __init__(
        self, neuron: Neuron, *, dt: str | float = 1.0, learn: tuple[str, ...] = (), executor: Executor = "auto",
        spikes: Form = "dense",
    ) -> None:  # fmt: skip
        super().__init__()
        self.spikes = checked_form("Spiking", spikes)
        self.executor = checked_executor("Spiking", executor)
        self.plan = make_plan(adopt(self, neuron, learn), dt=checked_dt("Spiking", dt))
        self.learn = tuple(learn)

    @property
    def neuron(self) -> Neuron:
        """The neuron's description with the present values of its parameters, without graph."""
        values = {name: value.detach() for name, value in live(self, self.plan.learned).items()}
        present: Neuron = bind(self.plan.neuron, values)
        return present

    @property
    def dt(self) -> float:
        """Time step, ms."""
        return self.plan.dt

    @property
    def state_type(self) -> Any:
        """The neuron's own State."""
        return self.plan.neuron.State

    def run(self, x_TB: Tensor, state: Any = None, *, norm: Norm | None = None) -> tuple[Tensor, Any]:
        """Run currents (T, B, ...) from a State of (B, ...) tensors; returns spikes and the new State.

        norm: done to the currents first, see ``ranvier.nn.normed``.
        """
        self.check(x_TB, state)
        values = live(self, self.plan.learned)
        check_broadcast(self.title(), values, x_TB)
        watching = observer()
        plan = self.plan if watching is None else watching.plan(self, self.plan)
        outputs, state = run_kernel(plan, x_TB, state, params=values, executor=self.executor, norm=norm)
        outputs["spikes"] = handed_on(outputs["spikes"], self.spikes, where=self.title())
        if watching is not None:
            watching.see(self, outputs)
        return outputs["spikes"], state

    def title(self) -> str:
        """Name the layer and its neuron in errors."""
        return f"Spiking({type(self.plan.neuron).__name__})"

    def extra_repr(self) -> str:
        """Show the neuron, its numbers and what is learned."""
        handed = "" if self.spikes == "dense" else f", spikes={self.spikes}"
        return summary(self, self.plan.neuron, dt=self.dt) + handed

    def describe(self) -> str:
        """Say in a few lines what the neuron is, with units, and which parameters are learned."""
        neuron = self.neuron
        lines = [f"{self.title()}, dt = {self.dt:g} ms, state ({', '.join(neuron.State._fields)})"]
        for name, value in parameters(neuron).items():
            unit = unit_of(type(neuron), name)
            how = (
                "learned"
                if name in dict(self.named_parameters())
                else "per neuron"
                if isinstance(value, Tensor)
                else ""
            )
            words = " ".join(word for word in (_number(value), "" if unit == "1" else unit, how and f"({how})") if word)
            lines.append(f"  {name} = {words}")
        return "\n".join(lines)


def summary(layer: nn.Module, neuron: Neuron, *, dt: float) -> str:
    """Write a neuron in one line: its numbers, the shapes of its tensors, a star at what is learned."""
    learned = {name for name, _ in layer.named_parameters()}
    parts = [
        f"{name}*={_number(live(layer, [name])[name])}" if name in learned else f"{name}={_number(value)}"
        for name, value in parameters(neuron).items()
    ]
    return f"{type(neuron).__name__}({', '.join(parts)}), dt={dt:g} ms"


def _number(value: float | Tensor) -> str:
    if not isinstance(value, Tensor):
        return f"{value:g}"
    return f"{value.item():g}" if value.numel() == 1 else f"tensor{tuple(value.shape)}"
