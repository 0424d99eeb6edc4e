"""Watching the neurons of a network while it runs, without changing it. Axes: T time, B batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, UnknownNameError
from ranvier.kernels.plan import Plan
from ranvier.kernels.plan import plan as make_plan
from ranvier.nn.stateful import is_compiled


@dataclass(frozen=True, slots=True)
class Seen:
    """What a layer of neurons did in its latest call, without graph.

    Args: spikes_TB: its output. states: state variables after every step, {"v": (T, B, ...)}.
    """

    spikes_TB: Tensor
    states: dict[str, Tensor] = field(default_factory=dict)


class Observer:
    """Takes notes of the layers of one network."""

    def __init__(self, net: nn.Module, record: tuple[str, ...]) -> None:
        self.paths = {m: path for path, m in net.named_modules() if recordable(m) is not None}
        self.seen: dict[str, Seen] = {}
        self._record = record
        self._plans: dict[nn.Module, Plan] = {}
        own = {m: recordable(m) or () for m in self.paths}
        known = {name for fields in own.values() for name in fields}
        for name in record:
            if name not in known:
                raise UnknownNameError.among("observe.record", name, known, kind="state variable")
        for module, fields in own.items():
            plan = getattr(module, "plan", None)
            if plan is None:
                continue
            outputs = ("spikes", *(name for name in record if name in fields))
            self._plans[module] = make_plan(plan.neuron, dt=plan.dt, outputs=outputs)

    def plan(self, layer: nn.Module, plan: Plan) -> Plan:
        """Return the plan of a layer that gives what is to be recorded; its own if it is not watched."""
        return self._plans.get(layer, plan)

    def see(self, layer: nn.Module, outputs: dict[str, Tensor]) -> None:
        """Note what a layer gave."""
        if layer in self.paths:
            notes = {name: value.detach() for name, value in outputs.items() if name in self._record}
            self.seen[self.paths[layer]] = Seen(outputs["spikes"].detach(), notes)


def recordable(layer: nn.Module) -> tuple[str, ...] | None:
    """Return the variables of a layer of neurons that can be recorded beside its spikes; None for other layers.

    They are the state variables of its ``plan``; a layer of neurons without a plan lists them as ``recordable``.
    """
    plan = getattr(layer, "plan", None)
    found: tuple[str, ...] | None = getattr(layer, "recordable", None)
    return plan.neuron.State._fields if isinstance(plan, Plan) else found


_OBSERVER: ContextVar[Observer | None] = ContextVar("ranvier.nn observer", default=None)


def observer() -> Observer | None:
    """Return who watches here, None if nobody does or the network is being compiled."""
    return None if torch.compiler.is_compiling() else _OBSERVER.get()


@contextmanager
def observe(net: nn.Module, record: tuple[str, ...] = ("v",)) -> Iterator[dict[str, Seen]]:
    """Watch the layers of neurons of a network: ``with observe(net) as seen: net(x); seen["2"].spikes_TB``.

    Args:
        net: any module, not compiled. record: state variables to keep of every step; a layer whose neuron lacks one
            gives the others. () keeps spikes alone. "v" of a parallel spiking neuron is its h.
    Yields: {path of a layer in ``net``: what it did in its latest call}, filled by each pass.
    Raises: UnknownNameError for a variable that no layer has; ConfigError for a compiled network.
    """
    if is_compiled(net):
        mend = "Observe the network that was compiled."
        raise ConfigError("observe", expected="a network as it was built", got="a compiled one", mend=mend)
    watching = Observer(net, tuple(record))
    token = _OBSERVER.set(watching)
    try:
        yield watching.seen
    finally:
        _OBSERVER.reset(token)
