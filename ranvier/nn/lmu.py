"""Legendre memory units: of numbers, and of leaky integrate-and-fire populations that speak in spikes.

Source: Voelker, Kajic and Eliasmith 2019, NeurIPS 32 (LMU); Fra, Leto, Pignata, Macii and Urgese 2024, arXiv:2407.04076
(L2MU). Axes: T time, B batch, X inputs, C memory channels, D polynomials, N hidden.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.reset import Subtract
from ranvier.core.surrogates.atan import ATan
from ranvier.neurons.plif import PLIF
from ranvier.nn.legendre import legendre_delay
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import Stateful
from ranvier.nn.stepping import Stepping


class _Wiring(Stateful):
    """What both units share: three maps, of which that of the memory is fixed and the same for every channel."""

    State: Any

    def __init__(
        self, inputs: int, *, channels: int, order: int, hidden: int, theta: float, memory: bool = True
    ) -> None:
        super().__init__()
        if min(inputs, channels, order, hidden) < 1:
            expected, got = "at least one input, channel, polynomial and hidden unit", (inputs, channels, order, hidden)
            raise ConfigError(type(self).__name__, expected=expected, got=", ".join(map(str, got)))
        self.inputs, self.channels, self.order = inputs, channels, order
        self.size, self.remembers = hidden, memory
        width = channels * order
        heard = (inputs, hidden, width)
        self.encode = nn.Linear(sum(heard), channels, bias=False)
        self.memory = nn.Linear(1 + order, order, bias=False).requires_grad_(False)
        self.hidden = nn.Linear(sum(heard), hidden, bias=False)
        with torch.no_grad():
            for part, size in zip(torch.split(self.encode.weight, list(heard), 1), heard, strict=True):
                part.uniform_(-((3 / size) ** 0.5), (3 / size) ** 0.5)
            self.encode.weight[:, inputs + hidden :] = 0
            for part in torch.split(self.hidden.weight, list(heard), 1):
                nn.init.xavier_normal_(part)
            a_DD, b_D = (x.to(self.memory.weight) for x in legendre_delay(order, theta))
            self.memory.weight.copy_(torch.cat([b_D[:, None], a_DD], 1))

    @property
    def state_type(self) -> Any:
        """What goes from step to step."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """Return the shapes of memory and hidden units."""
        batch = x_TB.shape[1]
        return torch.Size((batch, self.channels * self.order)), torch.Size((batch, self.size))

    def check_input(self, x_TB: Tensor, state: Any) -> None:
        """Refuse an input or a state that does not fit. Raises: ShapeError, DtypeError, StateError."""
        if x_TB.ndim != 3 or x_TB.shape[-1] != self.inputs:
            raise ShapeError(self.title(), expected=f"input (T, B, {self.inputs})", got=str(tuple(x_TB.shape)))
        self.check(x_TB, state)

    def _remember(self, u: Tensor, m: Tensor) -> Tensor:
        """Drive each channel's polynomials by its own input: (B, C) and (B, C D) to (B, C D)."""
        m_BCD = torch.unflatten(m, -1, (self.channels, self.order))
        own_BCE = torch.cat([u.unsqueeze(-1), m_BCD], -1)
        found: Tensor = self.memory(own_BCE).flatten(-2)
        return found

    def _heard(self, x: Tensor, h: Tensor, m: Tensor) -> Tensor:
        return torch.cat([x, h, m if self.remembers else torch.zeros_like(m)], -1)


class LMU(_Wiring):
    """Legendre memory unit: u = E [x, h, m]; m = A~ m + B~ u for each channel; h = tanh(W [x, h, m]).

    u hears h and m of the step before, m hears u of this step, h hears m of this step and h of the one before.

    Args: inputs, channels, order, hidden: X, C, D, N. theta: window, steps. memory: whether h and u hear m at all;
        without it the unit is a plain recurrent layer, for comparison.
    Attributes: encode (C, X + N + C D), memory (D, 1 + D; [B~, A~], fixed), hidden (N, X + N + C D), all without bias.
    Init: of encode, LeCun uniform for x and h, 0 for m; of hidden, Xavier normal for each part.
    Raises: ConfigError, ShapeError.
    """

    class State(NamedTuple):
        """State of a Legendre memory unit."""

        m: Tensor  # (B, C D) memory
        h: Tensor  # (B, N) hidden

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run inputs (T, B, X) from a State; returns h (T, B, N) and the new State."""
        self.check_input(x_TB, state)
        m, h = state or (x_TB.new_zeros(shape) for shape in self.state_shapes(x_TB))
        seen = []
        for x in x_TB:
            u = self.encode(self._heard(x, h, m))
            m = self._remember(u, m)
            h = self.hidden(self._heard(x, h, m)).tanh()
            seen.append(h)
        return torch.stack(seen), self.State(m, h)


class L2MU(_Wiring):
    """LIF-based Legendre memory unit: wired as ``LMU``, each part a population of LIF neurons, only spikes between.

    U[t] = beta U[t-1] + I[t] / theta_p - H(U[t-1] - 1), S[t] = H(U[t] - 1): the reset comes one step late, and beta and
    the threshold theta_p of each population are learned (beta as 1 - sigmoid(w), theta_p through its logarithm, as a
    gain on the current, so that neither leaves its range). With spikes the memory is no delay line any more: A~
    multiplies a binary vector, and small orders (4 to 7) do best.

    Args: as of LMU; betas, thresholds: of the populations u, m and h before training. late_reset: False subtracts in
        the step of the spike.
    Output: spikes of h.
    """

    class State(NamedTuple):
        """State of an LIF-based Legendre memory unit."""

        m: Tensor  # (B, C D) spikes of the memory
        h: Tensor  # (B, N) spikes of the hidden population
        v_u: Tensor  # (B, C) membranes, in units of the threshold
        v_m: Tensor  # (B, C D)
        v_h: Tensor  # (B, N)

    def __init__(
        self, inputs: int, *, channels: int, order: int, hidden: int, theta: float, memory: bool = True,
        betas: tuple[float, float, float] = (0.7, 0.3, 0.3), thresholds: tuple[float, float, float] = (0.15, 0.4, 0.7),
        late_reset: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(inputs, channels=channels, order=order, hidden=hidden, theta=theta, memory=memory)
        for name, values in (("betas", betas), ("thresholds", thresholds)):
            if len(values) != 3 or not all(v > 0 and (v < 1 or name != "betas") for v in values):
                expected = "three numbers > 0" + (" and < 1" if name == "betas" else "")
                raise ConfigError(f"L2MU.{name}", expected=expected, got=str(values))
        lif = PLIF(
            decay_input=False, reset=Subtract(detach=True), reset_at="after_leak" if late_reset else "spike",
            surrogate=ATan(), strict=True,
        )  # fmt: skip
        starts = torch.tensor(betas)
        for name, w in zip(("u", "m", "h"), torch.logit(1 - starts), strict=True):
            self.add_module(f"lif_{name}", Spiking(lif.replace(w=float(w)), learn=("w",)))
        self.log_thresholds = nn.Parameter(torch.tensor(thresholds).log())

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """Return the shapes of spikes and membranes."""
        m, h = super().state_shapes(x_TB)
        return m, h, torch.Size((x_TB.shape[1], self.channels)), m, h

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run inputs (T, B, X), spikes or not, from a State; returns spikes of h (T, B, N) and the new State."""
        self.check_input(x_TB, state)
        state = state or self.State(*(x_TB.new_zeros(shape) for shape in self.state_shapes(x_TB)))
        m, h, *membranes = state
        gains = (-self.log_thresholds).exp()
        fire_u, fire_m, fire_h = (
            Stepping(self.population(name), like) for name, like in zip("umh", membranes, strict=True)
        )
        v_u, v_m, v_h = (PLIF.State(v) for v in membranes)
        seen = []
        for x in x_TB:
            u, v_u = fire_u(gains[0] * self.encode(self._heard(x, h, m)), v_u)
            m, v_m = fire_m(gains[1] * self._remember(u, m), v_m)
            h, v_h = fire_h(gains[2] * self.hidden(self._heard(x, h, m)), v_h)
            seen.append(h)
        for fire in (fire_u, fire_m, fire_h):
            fire.finish()
        return torch.stack(seen), self.State(m, h, v_u.v, v_m.v, v_h.v)

    def population(self, name: str) -> Spiking:
        """Return the neurons of a population: "u", "m" or "h"."""
        layer = self.get_submodule(f"lif_{name}")
        assert isinstance(layer, Spiking)
        return layer
