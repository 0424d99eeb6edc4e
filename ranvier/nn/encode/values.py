"""What encoders accept: values in the unit interval, and a number of steps."""

from torch import Tensor

from ranvier.core.errors import ConfigError, DtypeError


def check_values(where: str, values: Tensor, *, num_steps: int = 1, unit: bool = True) -> None:
    """Refuse values that are not floating, not in [0, 1] (if ``unit``; NaN never is), or fewer than one step.

    Raises: DtypeError, ConfigError.
    """
    if not values.is_floating_point():
        mend = "Divide counts or pixels by their largest value."
        raise DtypeError(where, expected="floating values", got=str(values.dtype), mend=mend)
    if num_steps < 1:
        raise ConfigError(f"{where}.num_steps", expected="at least 1", got=str(num_steps))
    if unit and values.numel() and not bool(((values >= 0) & (values <= 1)).all()):
        got = f"values in [{values.min():g}, {values.max():g}]"
        raise ConfigError(where, expected="values in [0, 1]", got=got, mend="Scale them first.")
