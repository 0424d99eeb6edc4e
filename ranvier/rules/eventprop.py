"""EventProp: exact gradients of spikes in continuous time. Source: Wunderlich and Pehle 2021, Sci. Rep. 11:12829.

Letters: T time, B batch, N neurons in, M neurons out, E events, S spikes of a neuron.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import parameters
from ranvier.core.reset import Subtract, ToValue
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.neurons.leaky_integrator import LeakyIntegrator
from ranvier.neurons.synaptic_lif import SynapticLIF
from ranvier.nn.spiking import Spiking
from ranvier.rules.checks import require_gradient, require_scalar
from ranvier.rules.spike_times import Cell, fire, membrane

_FORM = (
    "layers of Linear(bias=False) and Spiking(SynapticLIF), then Linear(bias=False) and two Spiking(LeakyIntegrator), "
    "a synapse (decay_input=False) and a membrane"
)


class EventProp(Rule):
    """Event-based back-propagation: the exact gradient of a network of LIF neurons in continuous time, no surrogate.

    The equations of the network's neurons, tau_m v' = -(v - v_rest) + i and tau_syn i' = -i, are solved between events;
    spike times are roots found to the last bits. Errors travel back only at events, by the adjoint equations of the
    paper (table 1): see ``ranvier.rules.spike_times``. The outputs are the read-out's potentials at the end of each
    step, so any loss of (T, B, K) will do, also one of the whole sequence; its gradient is exact as long as no spike
    appears or vanishes. A spike that only just reaches the threshold makes it large; a silent layer makes it zero, so
    start from weights that make all layers fire.

    What lies in a step of the input is an event at the step's beginning (its value times the weight is the jump). The
    network itself, called on the same input, puts spikes on the grid: outputs of the two come together as dt goes to
    zero. Memory grows with the number of events and spikes. In float64, in plain torch: for small networks.

    Limited to feed-forward networks of Linear layers without bias and Spiking(SynapticLIF(decay_input=True)) layers, no
    parameter of which is learned or differs from neuron to neuron, v_th > v_rest, with hard reset or soft (the same if
    rest is 0); at the end a Linear layer, Spiking(LeakyIntegrator(decay_input=False)) as synapses and
    Spiking(LeakyIntegrator()) as membranes. All layers with one dt.
    """

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter, and for a network of
            another form.
        """
        layers = _read(net)
        outputs = _potentials(layers, inputs).to(inputs.dtype)
        value = require_gradient("EventProp", require_scalar("EventProp", loss(outputs, targets)))
        (value * scale).backward()  # type: ignore[no-untyped-call] # torch's backward is untyped
        return Evaluation(loss=value.detach(), outputs=outputs.detach())


class _Layer(NamedTuple):
    """Weights and the neurons they drive."""

    affine: nn.Linear
    cell: Cell
    dt: float


def _potentials(layers: list[_Layer], inputs_TBN: Tensor) -> Tensor:
    """Run a network in continuous time; return the read-out's potentials (T, B, K) at the ends of the steps."""
    num_steps, batch = inputs_TBN.shape[:2]
    dt = layers[0].dt
    grid_T = torch.arange(num_steps + 1, dtype=torch.float64, device=inputs_TBN.device) * dt
    times_EB = grid_T[:-1].unsqueeze(1).expand(-1, batch)
    jumps_EBM = inputs_TBN.double() @ layers[0].affine.weight.double().T
    for before, after in pairwise(layers):
        times_BMS = fire(times_EB, jumps_EBM, cell=before.cell, until=num_steps * dt)
        times_EB, jumps_EBM = _merged(times_BMS, after.affine.weight.double())
    return membrane(times_EB, jumps_EBM, grid_T[1:], cell=layers[-1].cell)


def _merged(times_BNS: Tensor, weight_MN: Tensor) -> tuple[Tensor, Tensor]:
    """Put the spikes of a layer in order of time: times (E, B), infinite where a sample has fewer, and their jumps."""
    num_spikes = times_BNS.shape[-1]
    times_BE, order_BE = times_BNS.flatten(1).sort(dim=1, stable=True)
    most = int(torch.isfinite(times_BE).sum(1).max()) if times_BE.numel() else 0
    times_EB, order_EB = times_BE[:, :most].T, order_BE[:, :most].T
    sources_EB = order_EB // max(num_spikes, 1)
    return times_EB, torch.where(torch.isfinite(times_EB).unsqueeze(2), weight_MN.T[sources_EB], 0.0)


def _read(net: nn.Module) -> list[_Layer]:
    """Read the layers of a network. Raises: ConfigError unless it has the form that ``EventProp`` says."""
    found = [m for m in net.modules() if not list(m.children())]
    affine, neurons = found[:-1:2], [*found[1:-1:2], found[-1]]
    linear: list[Any] = [m for m in affine if isinstance(m, nn.Linear) and m.bias is None]
    spiking: list[Spiking] = [m for m in neurons if isinstance(m, Spiking) and not list(m.parameters())]
    if len(found) < 5 or len(linear) < len(affine) or len(spiking) < len(neurons) or len({m.dt for m in spiking}) > 1:
        raise _misfit(found)
    *hidden, synapse, leaky = spiking
    cells = [*(_cell(layer, found) for layer in hidden), _output(synapse.neuron, leaky.neuron, found)]
    return [_Layer(layer, cell, leaky.dt) for layer, cell in zip(linear, cells, strict=True)]


def _output(synapse: Neuron, membrane: Neuron, found: list[nn.Module]) -> Cell:
    if not (isinstance(synapse, LeakyIntegrator) and isinstance(membrane, LeakyIntegrator)):
        raise _misfit(found)
    i, v = _numbers(synapse), _numbers(membrane)
    if synapse.decay_input or not membrane.decay_input or i["v_rest"] or v["v_rest"]:
        raise _misfit(found)
    return Cell(tau_m=v["tau_m"], tau_syn=i["tau_m"])


def _cell(layer: Spiking, found: list[nn.Module]) -> Cell:
    neuron = layer.neuron
    if not (isinstance(neuron, SynapticLIF) and neuron.decay_input and isinstance(neuron.reset, Subtract | ToValue)):
        raise _misfit(found)
    own = _numbers(neuron)
    v_th = own["v_th"] - own["v_rest"]
    v_reset = own.get("v_reset", 0.0) - own["v_rest"]  # a soft reset takes v_th from v_th
    if not v_th > max(v_reset, 0.0):
        got = f"v_th {v_th:g} mV and v_reset {v_reset:g} mV above rest"
        raise ConfigError("EventProp", expected="a threshold above rest and reset", got=got)
    return Cell(tau_m=own["tau_m"], tau_syn=own["tau_syn"], v_th=v_th, v_reset=v_reset)


def _numbers(neuron: Neuron) -> dict[str, float]:
    found = {}
    for name, value in parameters(neuron).items():
        values = torch.as_tensor(value).flatten()
        if bool((values != values[0]).any()):
            raise ConfigError("EventProp", expected="one value of each parameter a layer", got=f"several of {name}")
        found[name.removeprefix("reset.")] = float(values[0])
    return found


def _misfit(found: list[nn.Module]) -> ConfigError:
    got = ", ".join(m.title() if isinstance(m, Spiking) else str(m) for m in found)
    return ConfigError("EventProp", expected=_FORM, got=got or "no layers")
