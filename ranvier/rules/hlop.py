"""HLOP: Hebbian learning based orthogonal projection. Source: Xiao et al. 2024, ICLR, arXiv:2402.11984.

Letters: T time, B batch, N features in, M features out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.kernels.packed import PackedSpikes
from ranvier.nn.subspace import guarded, presynaptic, subspace_of
from ranvier.rules.bptt import BPTT


class HLOP(Rule):
    """Another rule, kept from writing over what earlier tasks need.

    Layers with a subspace (``nn.guard``) learn by dW (1 - H^T H) in the place of dW, H being the frozen rows of their
    subspace: as dW = sum delta x^T, that takes out of each presynaptic activity x (or trace, or unfolded patch) what
    lies in the subspace that earlier tasks used, and what the layer answers to them stays. Values, and the errors sent
    to earlier layers, are those of the rule inside. Rows that are not frozen learn the activity of each batch.

    From the first frozen row on, norms keep their running statistics and parameters of one axis (biases, gains of
    norms, thresholds) keep their values, in the whole network. Layers without a subspace learn freely.

    A sequence of tasks: ``subspace.grow(rows, generator)`` before a task, ``subspace.freeze()`` after it, for each of
    ``nn.guarded(net)``. Use SGD without weight decay, with a fresh momentum for each task: decay and optimisers that
    weigh each number of a gradient by itself (Adam) leave the directions that are allowed.

    Args:
        rule: that gives dW; any that leaves gradients, such as ``BPTT()``, ``SLTT()``, ``OTTT()``.
        activity: what the subspace learns from: "rate", the mean over time of each sample (the paper's choice);
            "steps", every step, which also keeps what a task says at each step, at T times the cost.
    """

    rule: Rule = BPTT()
    activity: Literal["rate", "steps"] = "rate"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "activity", self.activity in ("rate", "steps"), '"rate" or "steps"')
        require(self, "rule", not isinstance(self.rule, HLOP), "another rule than HLOP")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the projected gradient to ``.grad``, then let the subspaces learn; see ``Rule``.

        Raises: ConfigError if no layer has a subspace; ShapeError if one is called with another batch than the input's.
        """
        seen, whole = _Seen(net, batch=inputs.shape[1], of=self.activity), _require(net)
        with _kept_still(net, whole), _projected(net, whole), seen.noting():
            evaluation = self.rule.accumulate(net, inputs, targets, loss, scale=scale)
        seen.teach()
        return evaluation

    def updates(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Iterator[Evaluation | None]:
        """Pause where the rule inside does; the subspaces learn at the end of the batch."""
        seen, whole = _Seen(net, batch=inputs.shape[1], of=self.activity), _require(net)
        inner, evaluation = self.rule.updates(net, inputs, targets, loss, scale=scale), None
        while evaluation is None:
            # Closed at each pause: other batches may run in the meantime.
            with _kept_still(net, whole), _projected(net, whole), seen.noting():
                evaluation = next(inner)
            if evaluation is not None:
                seen.teach()
            yield evaluation


def _require(net: nn.Module) -> bool:
    """Tell whether a task was learned before. Raises: ConfigError if no layer has a subspace."""
    layers = guarded(net)
    if not layers:
        mend = "Give the layers one: ranvier.nn.guard(layer, capacity)."
        raise ConfigError("HLOP", expected="a network with layers that have a subspace", got="none", mend=mend)
    return any(bool(subspace_of(layer).num_frozen) for layer in layers.values())


@contextmanager
def _kept_still(net: nn.Module, frozen: bool) -> Iterator[None]:
    """Let norms use their running statistics, and leave these, while this is open."""
    norms = [m for m in net.modules() if frozen and m.training and hasattr(m, "running_mean")]
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.training = True


@contextmanager
def _projected(net: nn.Module, frozen: bool) -> Iterator[None]:
    """Project the gradients that are added while this is open, and only those; some are left out."""
    if not frozen:
        yield
        return
    before = {p: p.grad for p in net.parameters() if p.requires_grad}
    for parameter in before:
        parameter.grad = None
    try:
        yield
        for layer in guarded(net).values():
            if (grad := layer.weight.grad) is not None:
                layer.weight.grad = subspace_of(layer).reject(grad.flatten(1)).view_as(grad)
    finally:
        for parameter, grad in before.items():
            if parameter.ndim < 2 or parameter.grad is None:
                parameter.grad = grad
            elif grad is not None:
                parameter.grad = grad.add_(parameter.grad)


class _Seen:
    """What the layers with a subspace hear in a batch."""

    def __init__(self, net: nn.Module, *, batch: int, of: Literal["rate", "steps"]) -> None:
        self.layers, self.batch, self.of = guarded(net), batch, of
        self._paths = {layer: path for path, layer in self.layers.items()}
        self._noted: dict[str, list[Tensor]] = {}  # inputs (B, ...), of each step or added up over time
        self._num_steps: dict[str, int] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note inputs while this is open."""
        hooks = [layer.register_forward_hook(self._note) for layer in self.layers.values()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, layer: Any, args: tuple[Tensor], output: Any) -> None:  # noqa: ARG002 - torch's signature
        (x,), path = args, self._paths[layer]
        x = (x.dense() if isinstance(x, PackedSpikes) else x).detach()
        if not len(x) or len(x) % self.batch:
            expected, got = f"calls with a multiple of B = {self.batch}", str(tuple(x.shape))
            raise ShapeError(f'HLOP, layer "{path}"', expected=expected, got=got)
        x_TB = x.reshape(-1, self.batch, *x.shape[1:])
        noted = self._noted.setdefault(path, [])
        self._num_steps[path] = self._num_steps.get(path, 0) + len(x_TB)
        if self.of == "steps":
            noted.extend(x_TB)
        else:
            total_B = x_TB.float().sum(0)
            noted[:] = [noted[0] + total_B if noted else total_B]

    def teach(self) -> None:
        """Let the subspaces learn from what was noted."""
        for path, noted in self._noted.items():
            layer = self.layers[path]
            parts = 1 if self.of == "steps" else self._num_steps[path]
            subspace_of(layer).learn(torch.cat([presynaptic(layer, x_B / parts) for x_B in noted]))
