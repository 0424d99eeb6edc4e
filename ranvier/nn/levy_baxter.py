"""Levy-Baxter neuron: a threshold on inputs that arrive by chance. Source: Levy and Baxter 2002, J. Neurosci. 22:4746.

Axes: T time, B batch, N neurons in, M neurons out.
"""

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.surrogate import Surrogate, spike
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.nn.stateful import TimeAware


class LevyBaxter(TimeAware):
    """Neurons without memory whose synapses fail and vary: Z_m = H(sum_n w_mn phi_mn Q_mn X_n - g_m).

    phi is 1 with probability 1 - s (a quantal failure otherwise), Q is uniform in [0, 2] (an amplitude of mean 1); both
    are drawn for every synapse, sample and step from torch's own generator, in evaluation too. The mean drive of a
    neuron is (1 - s) w X, and its variance ((4/3) (1 - s) - (1 - s)^2) (w^2 X).

    Args: in_features, out_features: N, M. failure: s in [0, 1). threshold: g. surrogate: of the threshold.
    Attributes: weight (M, N), 1 for all as in the source; threshold (M,). Both are parameters.
    Raises: ConfigError, ShapeError.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        failure: float = 0.25,
        threshold: float = 1.0,
        surrogate: Surrogate | None = None,
    ) -> None:
        super().__init__()
        if min(in_features, out_features) < 1:
            got = f"{in_features} and {out_features}"
            raise ConfigError("LevyBaxter", expected="at least one neuron in and out", got=got)
        if not 0 <= failure < 1:
            raise ConfigError("LevyBaxter.failure", expected="a probability in [0, 1)", got=repr(failure))
        self.failure, self.surrogate = failure, surrogate or Sigmoid()
        self.weight = nn.Parameter(torch.ones(out_features, in_features))
        self.threshold = nn.Parameter(torch.full((out_features,), float(threshold)))

    def forward(self, x_TBN: Tensor) -> Tensor:
        """Turn spikes (T, B, N) into spikes (T, B, M). Memory: T B M N numbers are drawn."""
        if x_TBN.ndim != 3 or x_TBN.shape[-1] != self.weight.shape[1]:
            expected = f"spikes (T, B, N) with N = {self.weight.shape[1]}"
            raise ShapeError("LevyBaxter", expected=expected, got=str(tuple(x_TBN.shape)))
        shape = (*x_TBN.shape[:2], *self.weight.shape)
        drawn_TBMN = torch.rand(shape, dtype=x_TBN.dtype, device=x_TBN.device)
        # One draw serves both: below s the synapse fails, above it what is left is uniform again.
        arrived_TBMN = ((drawn_TBMN - self.failure) * (2.0 / (1.0 - self.failure))).clamp(min=0.0)
        drive_TBM = torch.einsum("TBMN,MN,TBN->TBM", arrived_TBMN, self.weight, x_TBN)
        return spike(drive_TBM - self.threshold, self.surrogate)

    def extra_repr(self) -> str:
        """Show sizes and the probability of failure."""
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}, failure={self.failure:g}"
