"""ranvier: spiking neural networks and neuromorphic computing. Write a neuron once, use it everywhere.

The rooms: ``neurons`` (models), ``nn`` (layers), ``kernels`` (how neurons run), ``data``, ``rules`` (learning),
``train``, ``runs``, ``measure``, ``report``, ``systems`` (published systems with their claims), ``cli`` (the door).
"""

from ranvier import core, kernels, neurons, nn
from ranvier.core import Neuron, NoReset, Subtract, ToValue
from ranvier.core.maths import cos, exp, expm1, log, sigmoid, sin, sqrt

__version__ = "0.1.0"
