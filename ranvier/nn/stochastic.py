"""Neurons that fire by chance near their threshold. Source: Gerstner et al. 2014, Neuronal Dynamics, section 9.1.

Axes: T time, B batch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.kernels.plan import plan
from ranvier.nn.learned import adopt, check_broadcast, checked_dt, live
from ranvier.nn.observe import observer
from ranvier.nn.spiking import summary
from ranvier.nn.stateful import Stateful


class Stochastic(Stateful):
    """A layer of neurons that fire with probability sigmoid((v - v_th) / temperature) in every step.

    The threshold is v_th - temperature * log(r / (1 - r)) with r uniform in (0, 1), drawn anew for every neuron and
    step from torch's own generator as ``nn.Dropout`` does, in evaluation too: that probability exactly (escape noise
    with a logistic distribution). The rest of the neuron's step stays as it is, and its surrogate passes gradients at
    the noisy threshold, also to the temperature. Runs as a loop in torch.

    Args:
        neuron: a description with a parameter ``v_th``. temperature: > 0, in the unit of v_th; learned if "temperature"
            is in ``learn``, through its logarithm, so that it stays positive.
        dt: time step, ms. learn: names of what training may change.
    Raises: ConfigError, UnknownNameError.
    """

    def __init__(
        self, neuron: Neuron, *, temperature: float = 0.1, dt: str | float = 1.0, learn: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError("Stochastic.temperature", expected="a number > 0", got=repr(temperature))
        adopted = adopt(self, neuron, tuple(name for name in learn if name != "temperature"))
        if "v_th" not in parameters(adopted):
            raise ConfigError("Stochastic", expected="a neuron with a threshold v_th", got=type(neuron).__name__)
        self.plan = plan(adopted, dt=checked_dt("Stochastic", dt))
        log_temperature = torch.tensor(float(temperature)).log()
        if "temperature" in learn:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer("log_temperature", log_temperature)

    @property
    def state_type(self) -> Any:
        """The neuron's own State."""
        return self.plan.neuron.State

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run currents (T, B, ...) from a State; returns spikes of the same shape and the new State."""
        self.check(x_TB, state)
        values = live(self, self.plan.learned)
        check_broadcast(self.title(), values, x_TB)
        neuron = bind(self.plan.neuron, dict(values))
        if state is None:
            rest = neuron.rest()
            state = self.state_type(*(torch.as_tensor(x).to(x_TB).expand(x_TB.shape[1:]) for x in rest))
        r_TB = torch.rand_like(x_TB)
        tiny = torch.finfo(x_TB.dtype).tiny
        v_th_TB = neuron.v_th - self.log_temperature.exp() * torch.logit(r_TB, eps=max(tiny, 1e-12))
        spikes = []
        for x_B, v_th_B in zip(x_TB, v_th_TB, strict=True):
            state, spikes_B = bind(neuron, {"v_th": v_th_B}).step(state, x_B, dt=self.plan.dt)
            spikes.append(spikes_B)
        out_TB = torch.stack(spikes)
        watching = observer()
        if watching is not None:
            watching.see(self, {"spikes": out_TB})
        return out_TB, state

    def title(self) -> str:
        """Name the layer and its neuron in errors."""
        return f"Stochastic({type(self.plan.neuron).__name__})"

    def extra_repr(self) -> str:
        """Show the neuron, its numbers, and the temperature."""
        return f"{summary(self, self.plan.neuron, dt=self.plan.dt)}, temperature={self.log_temperature.exp().item():g}"
