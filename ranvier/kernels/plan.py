"""A plan: everything about running one neuron that does not depend on the data."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from ranvier.core.errors import ConfigError, TraceError, UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.core.program import Builder, Program, lower, prune
from ranvier.core.surrogate import Surrogate
from ranvier.core.trace import trace_step
from ranvier.kernels.cpu import machine
from ranvier.kernels.vjp import vjp


@dataclass(frozen=True, slots=True)
class Programs:
    """The three programs of a step.

    Args:
        prologue: from ``param.NAME`` to ``coef.K``: what depends on parameters alone, run once a call, in torch.
        forward: from ``state.*``, ``current``, ``coef.*`` to ``state.*`` and ``out.*``, run every step.
        backward: from the inputs of ``forward`` and ``grad.state.*``, ``grad.out.*`` to ``grad_state.*``,
            ``grad_current``, ``grad_coef.*``, run every step, last step first.
    """

    prologue: Program
    forward: Program
    backward: Program


class Plan:
    """How a neuron is run with a time step and with chosen outputs.

    Args:
        neuron: its description. Parameters that are tensors may be given anew at every run, but for those of its
            surrogate, which become numbers.
        dt: time step, ms. outputs: what is returned of every step: "spikes" and names of state variables.
    """

    def __init__(self, neuron: Neuron, dt: float, outputs: tuple[str, ...]) -> None:
        where = f"plan of {type(neuron).__name__}"
        neuron = plain_surrogate(neuron, where=where)
        self.neuron, self.dt, self.outputs = neuron, float(dt), outputs
        self.fields: tuple[str, ...] = neuron.State._fields
        self.learned = tuple(name for name, value in parameters(neuron).items() if isinstance(value, Tensor))
        for name in outputs:
            if name not in ("spikes", *self.fields):
                raise UnknownNameError.among(where, name, ("spikes", *self.fields), kind="output")
        self.programs = self._trace()  # or, for a step that is not elementwise, the reason why there are none
        found = None if isinstance(self.programs, TraceError) else self.programs
        self.forward_text = str(found.forward) if found else ""  # as it travels through PyTorch's operators
        self.backward_text = str(found.backward) if found else ""
        self.rest = _numbers(neuron.rest()) if found and not self.learned else None  # if it is always the same
        self.has_machine = machine.absence() is None  # asked here, for a compiled graph cannot look for modules

    def _trace(self) -> Programs | TraceError:
        try:
            traced = trace_step(self.neuron, dt=self.dt)
            return split(traced, self.outputs, where=f"{type(self.neuron).__name__}.step")
        except TraceError as error:
            return error


def plan(neuron: Neuron, *, dt: float = 1.0, outputs: tuple[str, ...] = ("spikes",)) -> Plan:
    """Plan how a neuron is run; make it once, use it for every sequence.

    Raises: UnknownNameError if an output is neither "spikes" nor a state variable; ConfigError as ``plain_surrogate``.
    """
    return Plan(neuron, dt, outputs)


def _numbers(state: Iterable[float | Tensor]) -> tuple[float, ...] | None:
    """Return a state at rest as numbers; None where one of its variables is many."""
    values = tuple(state)
    return tuple(map(float, values)) if all(not isinstance(v, Tensor) or v.numel() == 1 for v in values) else None


def plain_surrogate(neuron: Neuron, *, where: str) -> Neuron:
    """Turn a surrogate's tensors into numbers: a kernel is made for one derivative, the same for all neurons.

    Raises: ConfigError for a tensor of more than one element; ``where`` is named in it.
    """
    values = {
        name: value for name, value in parameters(neuron).items()
        if isinstance(value, Tensor) and isinstance(getattr(neuron, name.split(".")[0]), Surrogate)
    }  # fmt: skip
    for name, value in values.items():
        if value.numel() != 1:
            got, mend = f"a tensor of shape {tuple(value.shape)}", "Kernels are made for one derivative."
            raise ConfigError(f"{where}, {name}", expected="one number for all neurons", got=got, mend=mend)
    plain: Neuron = bind(neuron, {name: value.item() for name, value in values.items()}) if values else neuron
    return plain


def split(traced: Program, outputs: tuple[str, ...], *, where: str) -> Programs:
    """Split a traced step into prologue, forward and backward program.

    Whatever depends on parameters alone does not change from step to step: it goes into the prologue, whose results
    the step reads as coefficients.
    """
    num_inputs = len(traced.inputs)
    changing = {v for v, name in enumerate(traced.inputs) if not name.startswith("param.")}
    for index, i in enumerate(traced.body, start=num_inputs):
        if any(a in changing for a in i.args):
            changing.add(index)
    is_const = {index for index, i in enumerate(traced.body, start=num_inputs) if i.op == "const"}
    ends = [value for _, value in traced.outputs]
    read = [a for index, i in enumerate(traced.body, start=num_inputs) if index in changing for a in i.args] + ends
    coefficients = sorted({value for value in read if value not in changing and value not in is_const})

    names = {value: f"coef.{k}" for k, value in enumerate(coefficients)}
    prologue_inputs = tuple(name for name in traced.inputs if name.startswith("param."))
    prologue = _rewrite(traced, prologue_inputs, {}, {names[v]: v for v in coefficients})
    step_inputs = (*(n for n in traced.inputs if not n.startswith("param.")), *names.values())
    ends_of = dict(traced.outputs)
    results = {name: value for name, value in ends_of.items() if name.startswith("state.")}
    results |= {f"out.{name}": ends_of["spikes" if name == "spikes" else f"state.{name}"] for name in outputs}
    body = _rewrite(traced, step_inputs, names, results)
    return Programs(lower(prologue), lower(body), vjp(body, step_inputs, where=where))


def _rewrite(traced: Program, inputs: tuple[str, ...], cut: dict[int, str], outputs: dict[str, int]) -> Program:
    """Copy the part of a program that ``outputs`` need, reading the values in ``cut`` as inputs of those names."""
    builder = Builder(inputs)
    new: dict[int, int] = {}
    for value, name in enumerate(traced.inputs):
        target = cut.get(value, name)
        if target in inputs:
            new[value] = inputs.index(target)
    for value, i in enumerate(traced.body, start=len(traced.inputs)):
        if value in cut:
            new[value] = inputs.index(cut[value])
        elif all(a in new for a in i.args):
            new[value] = builder.copy(i, [new[a] for a in i.args])
    return prune(builder.finish({name: new[value] for name, value in outputs.items()}))
