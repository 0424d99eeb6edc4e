"""Direct code: the value is the current of every step. Source: Rueckauer et al. 2017, Front. Neurosci. 11:682.

Axes: T time, B batch.
"""

from torch import Tensor

from ranvier.nn.encode.values import check_values


def direct(values_B: Tensor, *, num_steps: int) -> Tensor:
    """Repeat values at every step; the first layer of neurons makes spikes of them.

    Returns: (T, B, ...), a view without a copy: do not write into it.
    Raises: ConfigError, DtypeError.
    """
    check_values("encode.direct", values_B, num_steps=num_steps, unit=False)
    return values_B.expand(num_steps, *values_B.shape)
