"""Membrane read-out: the potential of neurons that do not fire. Source: Eshraghian et al. 2023, Proc. IEEE 111:1016.

Axes: T time, B batch.
"""

from torch import Tensor

from ranvier.nn.inputs import check_sequence


def last(v_TB: Tensor) -> Tensor:
    """Decode as the potential after the last step: (B, ...)."""
    check_sequence("decode.last", v_TB)
    return v_TB[-1]


def highest(v_TB: Tensor) -> Tensor:
    """Decode as the highest potential of all steps: (B, ...)."""
    check_sequence("decode.highest", v_TB)
    return v_TB.amax(0)


def mean(v_TB: Tensor) -> Tensor:
    """Decode as the mean potential of all steps: (B, ...)."""
    check_sequence("decode.mean", v_TB)
    return v_TB.mean(0)
