"""Named costs of arithmetic, each with its source."""

from dataclasses import dataclass

from ranvier.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What one operation costs, in pJ: a multiply-accumulate (graded input), an addition (input -1, 0 or 1)."""

    mac_pj: float
    ac_pj: float
    source: str

    def __post_init__(self) -> None:
        for name in ("mac_pj", "ac_pj"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"Constants.{name}", expected="an energy >= 0 pJ", got=repr(getattr(self, name)))


HOROWITZ_45NM = Constants(
    mac_pj=4.6,  # 3.7 for the multiplication and 0.9 for the addition
    ac_pj=0.9,
    source="32-bit floating point at 45 nm and 0.9 V: M. Horowitz, Computing's energy problem, ISSCC 2014.",
)
