"""The compiled module; see csrc/recurrent/module.cpp. Arrays are anything that speaks DLPack, contiguous."""

from collections.abc import Sequence
from typing import Self

class Steps:
    """An encoded program, checked when it is made."""

    @property
    def outputs(self) -> int: ...
    @classmethod
    def forward(
        cls, registers: int, coefficients: int, states: int, outputs: int, constants: Sequence[float],
        words: Sequence[int], in_place: Sequence[bool],
    ) -> Self: ...  # fmt: skip
    @classmethod
    def backward(
        cls, registers: int, coefficients: int, states: int, outputs: int, constants: Sequence[float],
        words: Sequence[int], in_place: Sequence[bool],
    ) -> Self: ...  # fmt: skip

def opcodes() -> list[str]: ...
def variants() -> list[str]: ...
def forward(
    steps: Steps, x: object, weight: object, bias: object | None, states: Sequence[object], last: object,
    coefficients: Sequence[object], inner: Sequence[int], spikes: int, outputs: Sequence[object],
    final_states: Sequence[object], currents: object | None, threads: int, variant: str | None = None,
) -> None: ...  # fmt: skip
def backward(
    replay: Steps, steps: Steps, currents: object, weight: object, states: Sequence[object],
    coefficients: Sequence[object], inner: Sequence[int], spikes: int, grad_outputs: Sequence[object | None],
    grad_states: Sequence[object | None], grad_x: object, grad_initial: Sequence[object], grad_last: object,
    grad_coefficients: Sequence[object], threads: int, variant: str | None = None,
) -> None: ...  # fmt: skip
def linear(
    x: object, weight: object, bias: object | None, out: object, threads: int, variant: str | None = None,
    bits: bool = False,
) -> None: ...  # fmt: skip
def gradient(
    xs: Sequence[object], grads: Sequence[object], out: object, bias: object | None, threads: int,
    variant: str | None = None,
) -> None: ...  # fmt: skip
