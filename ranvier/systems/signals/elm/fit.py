"""Fit a neuron of expressive leaky memory to what another neuron does: its spikes and its potential.

Two neurons to learn from: the compartments of ``ranvier.data.dendrite``, which stand for the pyramidal cell that the
paper's authors simulated, and a cell of the barrel cortex in whole-cell current clamp.

Axes: T time, B windows, X inputs.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ranvier.core.claim import Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive, generator
from ranvier.data.dendrite import Dendrite
from ranvier.data.sets import neural_intracellular
from ranvier.measure import r_squared, roc_auc
from ranvier.nn import ELM, Leaks
from ranvier.train import Cosine

CLAMP_CUT = -30.0  # mV; what rises above it is a spike, whose height says nothing
CLAMP_PA = 100.0  # injected current that counts as 1


class Windows(NamedTuple):
    """Pieces of a recording, a step of 1 ms each."""

    inputs_TBX: Tensor
    spikes_TB: Tensor  # 0 or 1
    v_TB: Tensor  # mV


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How to fit.

    Args:
        memories: numbers of memory units, one fit each. leaks: their time constants.
        dendrite: the neuron to copy. windows: of it, to learn from and as many to judge on. steps: their length, ms.
        burn_in: first steps of a window, ms, in which nothing is asked. epochs, batch_size, lr: Adam, cosine, clipped
            at norm 1.
        clamp: whether to fit the recorded cell too, with the largest number of units. clamp_epochs: of that.
    """

    memories: tuple[int, ...] = (1, 5, 20)
    leaks: Leaks = field(default_factory=Leaks)
    dendrite: Dendrite = field(default_factory=Dendrite)
    windows: int = 400
    steps: int = 150
    burn_in: int = 50
    epochs: int = 15
    batch_size: int = 30
    lr: float = 0.01
    clamp: bool = True
    clamp_epochs: int = 40

    def __post_init__(self) -> None:
        require_counts("elm-neuron: fit.", self, "windows", "epochs", "batch_size", "clamp_epochs")
        if not self.memories or min(self.memories) < 1:
            expected, got = "at least one number >= 1", str(self.memories)
            raise ConfigError("elm-neuron: fit.memories", expected=expected, got=got)
        if not 0 <= self.burn_in < self.steps:
            expected, got = f"less than the {self.steps} steps of a window", str(self.burn_in)
            raise ConfigError("elm-neuron: fit.burn_in", expected=expected, got=got)
        if not self.lr > 0:
            raise ConfigError("elm-neuron: fit.lr", expected="a rate > 0", got=str(self.lr))


def measure(config: Fit, seed: int, progress: Progress) -> dict[str, float]:
    """Fit and judge on windows that were held out.

    Returns: "auc_M", area under the ROC of spikes in each ms; "r2_M", variance of the soma's potential explained, for M
        memory units; "clamp_auc" and "clamp_r2" of the recorded cell.
    Raises: DataError if the recordings are asked for and absent.
    """
    found: dict[str, float] = {}
    parts = len(config.memories) + config.clamp
    recorded = [_simulated(config, derive(seed, part)) for part in ("train", "test")]
    for place, memory in enumerate(config.memories):
        net = _net(config.dendrite.inputs, memory, config, seed)
        fit(net, recorded[0], config, seed=seed, epochs=config.epochs)
        found[f"auc_{memory}"], found[f"r2_{memory}"] = judge(net, recorded, config.burn_in)
        progress((place + 1) / parts, f"copied by {memory} memory units")
    if config.clamp:
        recorded = [clamped(slice(first, None, 2)) for first in (0, 1)]
        net = _net(recorded[0].inputs_TBX.shape[-1], max(config.memories), config, seed)
        fit(net, recorded[0], config, seed=seed, epochs=config.clamp_epochs)
        found["clamp_auc"], found["clamp_r2"] = judge(net, recorded, config.burn_in)
    return found


def fit(net: ELM, windows: Windows, config: Fit, *, seed: int, epochs: int) -> None:
    """Train on 0.5 BCE(y[0], spike) + 0.5 MSE(y[1], standardised potential), after the burn-in."""
    wanted_TB = _standard(windows.v_TB, windows, config.burn_in)
    with torch.no_grad():
        # Spikes are rare: from zero the read-out would first learn to say no by any means, and then unlearn that.
        share = windows.spikes_TB[config.burn_in :].mean()
        net.readout.weight[0] = 0
        net.readout.bias[0] = share.logit(eps=1e-4)
    optimiser = torch.optim.Adam(net.parameters(), lr=config.lr)
    num = windows.inputs_TBX.shape[1]
    num_steps, step = epochs * -(-num // config.batch_size), 0
    for epoch in range(epochs):
        order = torch.randperm(num, generator=generator(seed, "order", epoch))
        for chosen in torch.split(order, config.batch_size):
            for group in optimiser.param_groups:
                group["lr"] = config.lr * Cosine(warmup=0.1).factor(step, num_steps)
            y_TBY = net(windows.inputs_TBX[:, chosen])[config.burn_in :]
            said = binary_cross_entropy_with_logits(y_TBY[..., 0], windows.spikes_TB[config.burn_in :, chosen])
            loss = 0.5 * said + 0.5 * mse_loss(y_TBY[..., 1], wanted_TB[config.burn_in :, chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's backward is untyped
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1


@torch.no_grad()
def judge(net: nn.Module, recorded: list[Windows], burn_in: int) -> tuple[float, float]:
    """Return area under the ROC and explained variance on the second of (learned from, held out)."""
    known, new = recorded
    y_TBY = net(new.inputs_TBX)[burn_in:]
    return (
        roc_auc(y_TBY[..., 0], new.spikes_TB[burn_in:]),
        r_squared(y_TBY[..., 1], _standard(new.v_TB, known, burn_in)[burn_in:]),
    )


def clamped(chosen: slice) -> Windows:
    """Load sweeps of the cell of the barrel cortex: exciting and inhibiting current apart, means over each ms."""
    sweeps = neural_intracellular.load("s1")
    each = round(1 / sweeps.dt)
    current_ST, v_ST = sweeps.current_ST[chosen], sweeps.v_ST[chosen]
    length = current_ST.shape[1] // each
    current_ST, v_STE = (
        current_ST[:, : length * each].reshape(-1, length, each).mean(2),
        v_ST[:, : length * each].reshape(-1, length, each),
    )
    parts = np.stack([np.maximum(current_ST, 0), np.minimum(current_ST, 0)], -1) / CLAMP_PA
    before_STE = np.concatenate([v_ST[:, :1], v_ST[:, : length * each - 1]], 1).reshape(v_STE.shape)
    spikes_ST = ((v_STE >= 0) & (before_STE < 0)).any(2)
    v_ST = np.minimum(v_STE, CLAMP_CUT).mean(2)
    return Windows(
        *(
            torch.from_numpy(np.ascontiguousarray(np.swapaxes(np.asarray(x), 0, 1), np.float32))
            for x in (parts, spikes_ST, v_ST)
        )
    )


def _simulated(config: Fit, seed: int) -> Windows:
    neuron = config.dendrite
    return Windows(*neuron.run(neuron.draw(config.steps, config.windows, seed=seed)))


def _net(inputs: int, memory: int, config: Fit, seed: int) -> ELM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights", memory))
        return ELM(inputs, 2, memory=memory, leaks=config.leaks)


def _standard(v_TB: Tensor, known: Windows, burn_in: int) -> Tensor:
    """Shift and scale potentials as those that were learned from."""
    reference = known.v_TB[burn_in:]
    return (v_TB - reference.mean()) / reference.std()
