"""A linear layer for inputs that are mostly silent, such as spikes. Axes: J inputs, M outputs."""

from torch import Tensor, nn

from ranvier.kernels.dispatch import Explanation
from ranvier.kernels.recurrent.linear import explain, linear


class EventLinear(nn.Linear):
    """``nn.Linear`` that adds up, on the CPU, the weights of active inputs only: y = b + sum over x_j != 0 of x_j W_j.

    Parameters, their start and their names are those of ``nn.Linear``; the gradient of the weight, too, touches active
    inputs only. Inputs as dense as ``ranvier.kernels.recurrent.linear.CROSSOVER``, other devices and 16-bit inputs take
    the dense product; ``explain`` says which, and why. Inside ``torch.compile`` the density is not looked at.

    Sums go in ascending order of j, starting from the bias: results differ from ``nn.Linear``'s by rounding, and not at
    all where sums of weights are exact.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map (..., J) to (..., M)."""
        return linear(input, self.weight, self.bias)

    def explain(self, x: Tensor) -> Explanation:
        """Say how the product with this input is computed, and why."""
        return explain(x, self.weight)
