"""The delay line of Legendre polynomials. Source: Voelker, Kajic and Eliasmith 2019, NeurIPS 32, eq. 1 to 3."""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError


def legendre_delay(order: int, theta: float) -> tuple[Tensor, Tensor]:
    """Make the linear system whose state holds the last ``theta`` steps of its input, sampled step by step.

    theta m' = A m + B u with A_ij = (2 i + 1) (-1 if i < j else (-1)^(i - j + 1)) and B_i = (2 i + 1) (-1)^i, turned
    into m[t] = A~ m[t-1] + B~ u[t] by a zero-order hold of one step. ``legendre_read`` reads the input back.

    Args: order: d, polynomials. theta: length of the window, steps.
    Returns: A~ (d, d) and B~ (d,), float64.
    Raises: ConfigError.
    """
    if order < 1:
        raise ConfigError("legendre_delay.order", expected="at least one polynomial", got=str(order))
    if not theta > 0:
        raise ConfigError("legendre_delay.theta", expected="a window of more than 0 steps", got=str(theta))
    i = torch.arange(order, dtype=torch.float64)
    sign = torch.where(i[:, None] < i[None, :], -torch.ones(()), (-1.0) ** (i[:, None] - i[None, :] + 1))
    block = torch.zeros(order + 1, order + 1, dtype=torch.float64)
    block[:order, :order] = (2 * i[:, None] + 1) * sign / theta
    block[:order, order] = (2 * i + 1) * (-1.0) ** i / theta
    held = torch.matrix_exp(block)
    return held[:order, :order].contiguous(), held[:order, order].contiguous()


def legendre_read(order: int, share: float) -> Tensor:
    """Return the weights (d,) that read the input ``share * theta`` steps ago from the state: P_i(2 share - 1).

    P_i is the Legendre polynomial of degree i. Raises: ConfigError unless 0 <= share <= 1.
    """
    if not 0 <= share <= 1:
        raise ConfigError("legendre_read.share", expected="a share of the window in [0, 1]", got=str(share))
    x, values = 2 * share - 1, [1.0, 2 * share - 1]
    for n in range(1, order - 1):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return torch.tensor(values[:order], dtype=torch.float64)
