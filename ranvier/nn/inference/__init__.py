"""Event-driven inference: a trained network that touches only the weights of neurons that fired."""

from ranvier.nn.inference.compile import EventDriven, compile_for_inference
from ranvier.nn.inference.explanation import LayerReport, Report
from ranvier.nn.inference.populations import EventL2MU, L2MUStream
from ranvier.nn.inference.stream import EventStream

__all__ = ["EventDriven", "EventL2MU", "EventStream", "L2MUStream", "LayerReport", "Report", "compile_for_inference"]
