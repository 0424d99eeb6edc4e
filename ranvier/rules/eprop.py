"""e-prop: eligibility propagation. Source: Bellec et al. 2020, Nat. Commun. 11:3625.

Letters: T time, B batch, I inputs, N neurons, K outputs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.core.params import require
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.core.units import Param
from ranvier.nn.feedback_linear import FeedbackLinear
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.spiking import Spiking
from ranvier.rules.checks import require_scalar
from ranvier.rules.eligibility import Eligibility
from ranvier.rules.stepwise import Notes, step_loss
from ranvier.rules.traced import leak_of


class EProp(Rule):
    """Eligibility propagation: what a weight did, kept locally, times an error that is broadcast to its neuron.

    dL/dW_ji = sum_t L_j[t] e~_ji[t],   L_j[t] = sum_k B_jk dl[t]/do_k[t],   e~[t] = kappa e~[t-1] + g e[t],

    where the eligibility trace e_ji[t] is the derivative of a neuron's spike in its weight along the path through its
    own state (eq. 13 to 25), kappa and g are the decay and the input gain of leaky outputs (0 and 1 of others), and the
    loss is that of the steps, see ``ranvier.rules.stepwise``. The traces are derived from the neuron's ``step``, so any
    neuron will do; for LIF and ALIF with ``reset=Subtract(detach=True)`` they are those of the paper. Exact where no
    neuron hears another; otherwise what a spike does by way of other neurons is left out. All is computed online:
    memory does not grow with time, but is B N (I + N) numbers for each state variable.

    For networks of ``nn.Linear``, one layer of neurons (``nn.Recurrent`` or ``nn.Spiking``) and a read-out
    ``nn.Linear``, with or without leaky integrators after it, in this order. The read-out decides what B is: W_out^T of
    an ``nn.Linear`` (symmetric e-prop), its own of an ``nn.FeedbackLinear`` (random or adaptive e-prop).

    Args:
        rate_weight, rate_target: strength c and target f* (spikes a step) of the regularisation of rates: c (f_j - f*)
            / T is added to L_j[t] outside the filter, with f_j the mean rate so far over the batch.
    """

    rate_weight: Param = 0.0
    rate_target: Param = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "rate_weight", self.rate_weight >= 0, "a number >= 0")
        require(self, "rate_target", 0 <= self.rate_target <= 1, "a rate in [0, 1] spikes a step")

    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times the gradient to ``.grad``; see ``Rule.accumulate``.

        Raises: ShapeError if the loss is no scalar; ConfigError for a network of another form, and learned parameters
            of neurons, for which there is no trace.
        """
        parts = _parts(net)
        gradients: dict[Tensor, Tensor] = {p: torch.zeros_like(p) for p in net.parameters() if p.requires_grad}
        notes = Notes()
        with torch.no_grad():
            for output_BK, value in self._each_step(parts, inputs, targets, loss, gradients):
                notes.add(output_BK.unsqueeze(0), value)
            for parameter, gradient in gradients.items():
                added = gradient * scale
                parameter.grad = added if parameter.grad is None else parameter.grad + added
        return notes.evaluation()

    def _each_step(
        self, parts: "_Parts", inputs_TBI: Tensor, targets_B: Tensor, loss: Loss, gradients: dict[Tensor, Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        hidden, readout, num_steps = parts.hidden, parts.readout, len(inputs_TBI)
        kappa, gain = parts.filter
        eligible, filtered = Eligibility(hidden), _Filtered(kappa, gain)
        heard_BN: Tensor | float = 0.0  # z, filtered as an output does
        output_BK = inputs_TBI.new_zeros(())
        count_N: Tensor | float = 0.0
        for t, x_BI in enumerate(inputs_TBI):
            z_BN = eligible.step(x_BI, parts.affine(x_BI))
            heard_BN = kappa * heard_BN + gain * z_BN
            output_BK = kappa * output_BK + gain * readout(z_BN)
            value, error_BK = _error(loss, output_BK, targets_B, num_steps)
            learning_BN = error_BK @ parts.feedback_NK.T
            count_N = count_N + z_BN.mean(0)
            rates_N = float(self.rate_weight) * (count_N / (t + 1) - float(self.rate_target)) / num_steps
            rates_BN = (rates_N / len(z_BN)).expand_as(z_BN)
            for parameter, trace_BNJ in eligible.traces(parts.weights).items():
                if parameter in gradients:
                    found = torch.einsum("bn,bnj->nj", learning_BN, filtered.add(parameter, trace_BNJ))
                    if self.rate_weight:
                        found += torch.einsum("bn,bnj->nj", rates_BN, trace_BNJ)
                    gradients[parameter] += found.reshape(parameter.shape)
            parts.add_readout(gradients, error_BK, heard_BN, filtered)
            yield output_BK, value


class _Filtered:
    """Traces, filtered as the outputs filter spikes."""

    def __init__(self, kappa: float, gain: float) -> None:
        self.kappa, self.gain = kappa, gain
        self._values: dict[Any, Tensor] = {}

    def add(self, name: Any, value: Tensor) -> Tensor:
        """Filter the next value of a trace."""
        before = self._values.get(name)
        self._values[name] = self.gain * value if before is None else self.kappa * before + self.gain * value
        return self._values[name]


class _Parts(NamedTuple):
    """The layers of a network, by what they are to the rule."""

    affine: nn.Linear
    hidden: Spiking | Recurrent
    readout: nn.Linear
    filter: tuple[float, float]  # kappa and g of the outputs

    @property
    def feedback_NK(self) -> Tensor:
        """The weights that bring errors back."""
        return self.readout.feedback if isinstance(self.readout, FeedbackLinear) else self.readout.weight.T

    @property
    def weights(self) -> dict[str, Tensor | None]:
        """What is learned by traces, by what it weighs: inputs, the spikes before, or a constant 1 (twice)."""
        own = self.hidden if isinstance(self.hidden, Recurrent) else None
        found: dict[str, Tensor | None] = {"input": self.affine.weight, "input_bias": self.affine.bias}
        return {**found, "spikes": own.weight, "spikes_bias": own.bias} if own is not None else found

    def add_readout(
        self, gradients: dict[Tensor, Tensor], error_BK: Tensor, heard_BN: Tensor, filtered: _Filtered
    ) -> None:
        """Add the gradients of the read-out, which sees its own error."""
        found_KN = error_BK.T @ heard_BN
        if self.readout.weight in gradients:
            gradients[self.readout.weight] += found_KN
        if self.readout.bias is not None and self.readout.bias in gradients:
            gradients[self.readout.bias] += (error_BK * filtered.add("bias", torch.ones_like(error_BK))).sum(0)
        if isinstance(self.readout, FeedbackLinear) and self.readout.feedback in gradients:
            gradients[self.readout.feedback] += found_KN.T


def _error(loss: Loss, output_BK: Tensor, targets_B: Tensor, num_steps: int) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        output_BK = output_BK.detach().requires_grad_()
        value = require_scalar("EProp", step_loss("EProp", loss, output_BK.unsqueeze(0), targets_B, num_steps))
        (error_BK,) = torch.autograd.grad(value, output_BK)
    return value.detach(), error_BK


def _parts(net: nn.Module) -> _Parts:
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | Spiking | Recurrent)]
    match layers:
        case [nn.Linear() as affine, (Spiking() | Recurrent()) as hidden, nn.Linear() as readout]:
            filter_ = (0.0, 1.0)
        case [nn.Linear() as affine, (Spiking() | Recurrent()) as hidden, nn.Linear() as readout, Spiking() as leaky]:
            filter_ = _filter(leaky)
        case _:
            layers = []
    learned = {id(p) for m in layers for p in m.parameters(recurse=False)}
    if not layers or any(id(p) not in learned for p in net.parameters()):
        got = ", ".join(type(m).__name__ for m in net.modules() if not list(m.children()))
        expected = "Linear, one layer of neurons (Recurrent or Spiking), Linear, and leaky integrators or nothing"
        raise ConfigError("EProp", expected=expected, got=got or type(net).__name__)
    if names := [name for name, _ in hidden.named_parameters() if name not in ("weight", "bias")]:
        expected = "neurons whose own parameters are not learned"
        raise ConfigError("EProp", expected=expected, got=f"learned {', '.join(names)}")
    return _Parts(affine, hidden, readout, filter_)


def _filter(leaky: Spiking) -> tuple[float, float]:
    """Return kappa and g of an output layer: o[t] = kappa o[t-1] + g x[t]."""
    kappa = leak_of(leaky, "EProp")
    state = leaky.neuron.State(torch.zeros(2, dtype=torch.float64))
    _, answer = leaky.neuron.step(state, torch.tensor([0.0, 1.0], dtype=torch.float64), dt=leaky.dt)
    if answer[0] != 0 or answer[1] == 0:
        mend = "Use LeakyIntegrator with v_rest=0, or no neurons there."
        raise ConfigError("EProp", expected="outputs that are potentials", got=leaky.title(), mend=mend)
    return kappa, float(answer[1])
