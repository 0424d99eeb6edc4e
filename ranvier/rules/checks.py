"""What every rule refuses in the loss it is given."""

from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError


def require_scalar(rule: str, value: Tensor) -> Tensor:
    """Return the value of a loss; it must be one number. Raises: ShapeError that names the rule."""
    if value.ndim:
        raise ShapeError(rule, expected="a loss that is a scalar", got=f"shape {tuple(value.shape)}")
    return value


def require_gradient(rule: str, value: Tensor) -> Tensor:
    """Return the value of a loss; a parameter must have a part in it. Raises: ConfigError that names the rule."""
    if not value.requires_grad:
        raise ConfigError(
            rule,
            expected="a loss that depends on a parameter of the network",
            got="one without gradient",
            mend="Give the network a parameter with requires_grad=True, and detach nothing on the way to the loss.",
        )
    return value
