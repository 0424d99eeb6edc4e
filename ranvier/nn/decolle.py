"""The layer of DECOLLE, made of parts that are here. Source: Kaiser et al. 2020, Front. Neurosci. 14:424."""

from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.reset import NoReset
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.neurons.alif import ALIF
from ranvier.neurons.discretisation import time_constant
from ranvier.neurons.leaky_integrator import LeakyIntegrator
from ranvier.nn.delay import Delay
from ranvier.nn.sequential import Sequential
from ranvier.nn.spiking import Spiking


def decolle(
    layer: nn.Module, *, alpha: float = 0.97, beta: float = 0.92, gamma: float = 0.65, w: float = 1.0, dt: float = 1.0
) -> Sequential:
    """Make a layer of DECOLLE around a linear or convolutional one.

    ::

        Q' = beta Q + (1 - beta) s_in         P' = alpha P + (1 - alpha) Q       synapse and membrane
        R' = gamma R - (1 - gamma) w S                                           refractory
        U = layer(P') + R'                    S' = 1[U > 0]                      spike, surrogate 1 / (10 |U| + 1)^2

    The traces stand before the weights, so that the gradient of a step holds all that the rule ``DECOLLE`` needs.

    Args: layer: with its bias. alpha, beta, gamma: decay of a step of dt ms, in (0, 1). w: of the refractory term.
    Returns: the parts "synapse", "delay", "membrane", "layer" and "neurons".
    Raises: ConfigError for a factor outside (0, 1).
    """
    for name, factor in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if not 0 < factor < 1:
            raise ConfigError(f"decolle: {name}", expected="a factor in (0, 1)", got=str(factor))

    def trace(factor: float) -> Spiking:
        return Spiking(LeakyIntegrator(tau_m=float(time_constant(factor, dt=dt))), dt=dt)

    # A membrane that forgets all in a step; its adaptation a is the sum of old spikes, so -beta a is R.
    neuron = ALIF(
        tau_m=1e-4 * dt, tau_a=float(time_constant(gamma, dt=dt)), beta=(1.0 - gamma) * w, v_th=0.0, decay_input=False,
        reset=NoReset(), strict=True, surrogate=FastSigmoid(k=10.0),
    )  # fmt: skip
    parts = {"synapse": trace(beta), "delay": Delay(1), "membrane": trace(alpha), "layer": layer}
    return Sequential({**parts, "neurons": Spiking(neuron, dt=dt)})
