"""The compiled module; see csrc/module.cpp. Arrays are anything that speaks DLPack."""

from collections.abc import Sequence
from typing import Self

class Code:
    """An encoded program, checked when it is made."""

    @property
    def outputs(self) -> int: ...
    @property
    def fused(self) -> str: ...
    @property
    def shape(self) -> str: ...
    @classmethod
    def forward(
        cls, registers: int, coefficients: int, states: int, outputs: int, constants: Sequence[float],
        words: Sequence[int], in_place: Sequence[bool], fuse: bool = True,
    ) -> Self: ...  # fmt: skip
    @classmethod
    def backward(
        cls, registers: int, coefficients: int, states: int, outputs: int, constants: Sequence[float],
        words: Sequence[int], in_place: Sequence[bool], fuse: bool = True,
    ) -> Self: ...  # fmt: skip

def opcodes() -> list[str]: ...
def variants() -> list[str]: ...
def pack(numbers: object, bits: object, threads: int) -> bool: ...
def unpack(bits: object, numbers: object, threads: int) -> None: ...
def fresh(shape: Sequence[int], item: int) -> object: ...
def limit_buffers(limit: int) -> None: ...
def idle_buffer_bytes() -> int: ...
def forward(
    code: Code, current: object, states: Sequence[object], coefficients: Sequence[object], inner: Sequence[int],
    outputs: Sequence[object], final_states: Sequence[object], threads: int, variant: str | None = None,
) -> None: ...  # fmt: skip
def backward(
    replay: Code, code: Code, current: object, states: Sequence[object], coefficients: Sequence[object],
    inner: Sequence[int], grad_outputs: Sequence[object | None], grad_states: Sequence[object | None],
    grad_current: object | None, grad_initial: Sequence[object | None], grad_coefficients: Sequence[object],
    threads: int, variant: str | None = None,
) -> None: ...  # fmt: skip
