"""Neurons, one a file, each with its manual page."""

from ranvier.neurons.adex import AdEx
from ranvier.neurons.adlif import AdLIF
from ranvier.neurons.alif import ALIF
from ranvier.neurons.balanced_resonate_and_fire import BalancedResonateAndFire
from ranvier.neurons.conductance_lif import ConductanceLIF
from ranvier.neurons.eif import EIF
from ranvier.neurons.hodgkin_huxley import HodgkinHuxley
from ranvier.neurons.integer_lif import IntegerLIF
from ranvier.neurons.integrate_and_fire import IF
from ranvier.neurons.izhikevich import Izhikevich
from ranvier.neurons.izhikevich_2007 import Izhikevich2007
from ranvier.neurons.leaky_integrator import LeakyIntegrator
from ranvier.neurons.lif import LIF
from ranvier.neurons.meta import Meta
from ranvier.neurons.plif import PLIF
from ranvier.neurons.psc_exp_lif import PscExpLIF
from ranvier.neurons.qif import QIF
from ranvier.neurons.refractory_lif import RefractoryLIF
from ranvier.neurons.resonate_and_fire import ResonateAndFire
from ranvier.neurons.synaptic_alif import SynapticALIF
from ranvier.neurons.synaptic_lif import SynapticLIF
from ranvier.neurons.tempotron import Tempotron

__all__ = [
    "ALIF",
    "EIF",
    "IF",
    "LIF",
    "PLIF",
    "QIF",
    "AdEx",
    "AdLIF",
    "BalancedResonateAndFire",
    "ConductanceLIF",
    "HodgkinHuxley",
    "IntegerLIF",
    "Izhikevich",
    "Izhikevich2007",
    "LeakyIntegrator",
    "Meta",
    "PscExpLIF",
    "RefractoryLIF",
    "ResonateAndFire",
    "SynapticALIF",
    "SynapticLIF",
    "Tempotron",
]
