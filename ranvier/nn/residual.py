"""A branch with a shortcut around it. Axes: T time, B batch."""

from torch import Tensor, nn

from ranvier.core.errors import ShapeError
from ranvier.core.neuron import Neuron
from ranvier.nn.folding import call
from ranvier.nn.sequential import build
from ranvier.nn.stateful import TimeAware


class Residual(TimeAware):
    """A branch around which its input is added: y = branch(x) + shortcut(x).

    Args: branch: a layer, container or neuron. shortcut: the same; None adds the input itself.
    Raises: ShapeError if the two do not have the same shape (nothing is broadcast).
    Source: He et al. 2016, CVPR (eq. 1, 2); in spiking networks Fang et al. 2021, arXiv:2102.04159 (g = ADD).
    """

    def __init__(self, branch: nn.Module | Neuron, shortcut: nn.Module | Neuron | None = None) -> None:
        super().__init__()
        self.branch = build('Residual "branch"', branch)
        self.shortcut = None if shortcut is None else build('Residual "shortcut"', shortcut)

    def forward(self, x_TB: Tensor) -> Tensor:
        """Add branch and shortcut."""
        y_TB = call("branch", self.branch, x_TB)
        past_TB = x_TB if self.shortcut is None else call("shortcut", self.shortcut, x_TB)
        if y_TB.shape != past_TB.shape:
            expected = f"a shortcut of the branch's shape {tuple(y_TB.shape)}"
            mend = "Give it a shortcut that makes them equal, such as a 1 x 1 convolution with the branch's stride."
            raise ShapeError("Residual", expected=expected, got=str(tuple(past_TB.shape)), mend=mend)
        return y_TB + past_TB
