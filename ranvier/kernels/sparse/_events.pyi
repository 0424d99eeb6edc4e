"""The compiled module; see csrc/sparse/module.cpp. Arrays are anything that speaks DLPack; maps are channels-last."""

from collections.abc import Sequence

_Sizes = tuple[int, int, int]  # height, width, channels
_Table = list[int]

PAD: int

def opcodes() -> list[str]: ...
def variants() -> list[str]: ...

class Session:
    """Stages, run one time step after the other."""

    def __init__(self, batch: int, source: _Sizes, variant: str | None = None) -> None: ...
    def linear(
        self, outputs: int, weight: object, bias: object | None, scale: object | None, in_: object, out: object,
        crossover: float, lazy: bool,
    ) -> None: ...  # fmt: skip
    def convolution(
        self, sizes: _Sizes, weight: object, bias: object | None, scale: object | None, in_: object, out: object,
        crossover: float, lazy: bool, kernel: tuple[int, int], groups: int, rows: list[_Table], segments: list[_Table],
        targets: list[_Table],
    ) -> None: ...  # fmt: skip
    def neurons(
        self, registers: int, states: int, constants: Sequence[float], words: Sequence[int], in_place: Sequence[bool],
        values: list[object], weight: object | None = None, bias: object | None = None, scale: object | None = None,
    ) -> None: ...  # fmt: skip
    def pool(self, sizes: _Sizes, rows: list[_Table], columns: list[_Table], divisor: Sequence[float]) -> None: ...
    def delay(self, steps: int) -> None: ...
    def flatten(self) -> None: ...
    def foreign(self, sizes: _Sizes, in_: object, out: object) -> None: ...
    def bind(self, states: Sequence[object]) -> None: ...
    def start(
        self, frames: object, threads: int, bits: bool = False, last: bool = False, first: int = 0
    ) -> int: ...  # fmt: skip
    def resume(self) -> int: ...
    def output(self, target: object) -> None: ...
    def stats(self) -> list[tuple[int, int, int, int, float, list[int], int]]: ...
    @property
    def steps(self) -> int: ...
