"""DECOLLE: deep continuous local learning. Source: Kaiser, Mostafa and Neftci 2020, Front. Neurosci. 14:424."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from ranvier.core.errors import ConfigError
from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.core.seeds import generator
from ranvier.core.trace import trace_step
from ranvier.core.units import Param
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.spiking import Spiking
from ranvier.rules.checks import require_gradient
from ranvier.rules.stepwise import Notes, step_loss, steps


class DECOLLE(Rule):
    """Deep continuous local learning: every layer of neurons has a loss of its own, at every step.

    Y[l] = G[l] dropout(S[l]),   L = sum_l loss(Y[l], y),   G[l] ~ U(-amplitude / sqrt(n), amplitude / sqrt(n)) fixed.

    Spikes go on to the next layer but errors do not come back from it, and states count as constants: the update of a
    layer depends on what comes before it, never on what comes after (but for the last, see below). Memory does not
    grow with time. Made for layers of ``nn.decolle``, whose traces stand before the weights; for others what their
    membranes remember is left out of the gradient, as in SLTT.

    A local read-out is drawn for each layer of neurons that fire, but the last: what follows that one in the network is
    its read-out. As in the paper if this is an ``nn.Linear`` with ``requires_grad_(False)``; it may also be learned.
    Layers count in the order in which the network lists them. The losses are those of the steps, see
    ``ranvier.rules.stepwise``; the paper's is ``losses.SmoothL1``.

    Args:
        update: "step", an update after each step, as in the paper; "batch", one for all.
        burn_in: so many steps at first only bring the states up; outputs of theirs have no loss.
        amplitude: of the local read-outs, n the neurons of a layer; 0.5 for N-MNIST, 2.0 for DVS Gesture in the paper.
        dropout: share of the spikes that a local read-out does not see, drawn at each step. seed: of the read-outs.
    """

    update: Literal["step", "batch"] = "step"
    burn_in: int = 0
    amplitude: Param = 0.5
    dropout: Param = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "update", self.update in ("batch", "step"), '"step" or "batch"')
        require(self, "burn_in", self.burn_in >= 0, "a number of steps >= 0")
        require(self, "amplitude", self.amplitude > 0, "a number > 0")
        require(self, "dropout", 0 <= self.dropout < 1, "a share in [0, 1)")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradients of all local losses to ``.grad``; see ``Rule.accumulate``.

        Returns: the loss of the network's own outputs, those of the burn-in left out.
        Raises: ShapeError if the loss is no scalar; ConfigError if it depends on no parameter, or nothing is left after
            the burn-in.
        """
        *_, seen = self._each_step(net, inputs, targets, loss, scale)
        assert seen is not None  # a sequence has at least one step
        return seen

    def updates(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Iterator[Evaluation | None]:
        """Pause after each step or after the batch; see ``Rule.updates``."""
        if self.update == "step":
            return self._each_step(net, inputs, targets, loss, scale)
        return super().updates(net, inputs, targets, loss, scale=scale)

    def _each_step(
        self, net: nn.Module, inputs_TB: Tensor, targets_B: Tensor, loss: Loss, scale: float
    ) -> Iterator[Evaluation | None]:
        num_learned = len(inputs_TB) - self.burn_in
        if num_learned < 1:
            got = f"{self.burn_in} of {len(inputs_TB)}"
            raise ConfigError("DECOLLE.burn_in", expected="fewer steps than the input has", got=got)
        notes, outputs, local = Notes(), steps(net, inputs_TB), _Locals(self, net)
        for t in range(len(inputs_TB)):
            learns = t >= self.burn_in
            with torch.set_grad_enabled(learns), local.cut() as spikes:
                output_1BK = next(outputs)
                value = step_loss("DECOLLE", loss, output_1BK, targets_B, num_learned)
                total = value
                for path, s_1B in spikes.items():
                    read_1BK = local.read(path, s_1B, output_1BK)
                    total = total + step_loss("DECOLLE", loss, read_1BK, targets_B, num_learned)
            notes.add(output_1BK, value if learns else torch.zeros_like(value))
            if learns:
                (require_gradient("DECOLLE", total) * scale).backward()  # type: ignore[no-untyped-call] # torch's
            if t == len(inputs_TB) - 1:
                yield notes.evaluation()
            elif learns:
                yield None


class _Locals:
    """The layers of a network that learn by themselves, and their read-outs."""

    def __init__(self, rule: DECOLLE, net: nn.Module) -> None:
        self.rule = rule
        found = [(path, m) for path, m in net.named_modules() if isinstance(m, Spiking | Recurrent) and fires(m)]
        self.layers = dict(found[:-1])
        self._readouts: dict[str, Tensor] = {}

    @contextmanager
    def cut(self) -> Iterator[dict[str, Tensor]]:
        """Cut the graph behind each layer while this is open. Yields: {path: its spikes (1, B, ...), with graph}."""
        seen: dict[str, Tensor] = {}

        def keep(path: str) -> Any:
            def after(layer: nn.Module, args: Any, s_1B: Tensor) -> Tensor:  # noqa: ARG001 - torch's signature
                if s_1B.requires_grad:
                    seen[path] = s_1B
                return s_1B.detach()

            return after

        hooks = [layer.register_forward_hook(keep(path)) for path, layer in self.layers.items()]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()

    def read(self, path: str, s_1B: Tensor, output_1BK: Tensor) -> Tensor:
        """Read a layer's spikes out: (1, B, K), as the network's own output."""
        s_1BN = s_1B.flatten(2)
        if path not in self._readouts:
            shape = (output_1BK.shape[-1], s_1BN.shape[-1])
            bound = float(self.rule.amplitude) / math.sqrt(shape[1])
            drawn_KN = torch.empty(shape).uniform_(-bound, bound, generator=generator(self.rule.seed, "decolle", path))
            self._readouts[path] = drawn_KN.to(s_1BN)
        if self.rule.dropout:
            s_1BN = dropout(s_1BN, float(self.rule.dropout))
        return s_1BN @ self._readouts[path].T


def fires(layer: Spiking | Recurrent) -> bool:
    """Tell whether the neurons of a layer spike; leaky integrators do not."""
    return any(i.op == "spike" for i in trace_step(layer.plan.neuron, dt=layer.plan.dt).body)
