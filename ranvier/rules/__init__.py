"""Learning rules: how one batch becomes gradients."""

from ranvier.rules.bptt import BPTT
from ranvier.rules.decolle import DECOLLE
from ranvier.rules.eprop import EProp
from ranvier.rules.eventprop import EventProp
from ranvier.rules.hlop import HLOP
from ranvier.rules.ottt import OTTT
from ranvier.rules.sltt import SLTT
from ranvier.rules.stdp import STDP
from ranvier.rules.triplet_stdp import Arrivals, TripletSTDP, normalise

__all__ = [
    "BPTT",
    "DECOLLE",
    "HLOP",
    "OTTT",
    "SLTT",
    "STDP",
    "Arrivals",
    "EProp",
    "EventProp",
    "TripletSTDP",
    "normalise",
]
