"""The compiled module; see csrc/module.cpp."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor

class Code:
    """An encoded program, checked when it is made."""

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
    code: Code, current: Tensor, states: Sequence[Tensor], coefficients: Sequence[Tensor], inner: Sequence[int],
    outputs: Sequence[Tensor], final_states: Sequence[Tensor], threads: int, variant: str | None = None,
) -> None: ...  # fmt: skip
def backward(
    replay: Code, code: Code, current: Tensor, states: Sequence[Tensor], coefficients: Sequence[Tensor],
    inner: Sequence[int], grad_outputs: Sequence[Tensor | None], grad_states: Sequence[Tensor | None],
    grad_current: Tensor, grad_initial: Sequence[Tensor], grad_coefficients: Sequence[Tensor], threads: int,
    variant: str | None = None,
) -> None: ...  # fmt: skip
