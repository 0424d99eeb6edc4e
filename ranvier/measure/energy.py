"""Energy of synaptic arithmetic: operations times named constants, beside an ANN of the same shape."""

from dataclasses import dataclass

from ranvier.measure.constants import HOROWITZ_45NM, Constants
from ranvier.measure.operations import LayerOperations, Operations

CAVEAT = (
    "Arithmetic of synapses only. Memory traffic, which costs more than arithmetic on most hardware, is left out, and "
    "so are neuron updates, normalisation, biases, input and output. The ANN is taken to need one pass of 32-bit "
    "multiply-accumulates; a quantised ANN would need far less energy."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Energy of one sample, pJ.

    Args: layers: as it runs, by module path. snn: their sum. dense: every step, nothing skipped, all
        multiply-accumulates. ann: the same layers once.
    """

    layers: dict[str, float]
    snn: float
    dense: float
    ann: float
    constants: Constants


def energy(operations: Operations, constants: Constants = HOROWITZ_45NM) -> Estimate:
    """Estimate the energy of one sample.

    E = macs * E_mac + acs * E_ac as the network runs; dense * E_mac if nothing is skipped; once * E_mac as an ANN.
    """

    def of(layer: LayerOperations) -> float:
        return layer.macs * constants.mac_pj + layer.acs * constants.ac_pj

    layers = {path: of(layer) for path, layer in operations.layers.items()}
    return Estimate(
        layers=layers,
        snn=operations.macs * constants.mac_pj + operations.acs * constants.ac_pj,
        dense=operations.dense * constants.mac_pj,
        ann=operations.once * constants.mac_pj,
        constants=constants,
    )
