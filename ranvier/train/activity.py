"""How much each spiking layer fires: rate, dead and saturated neurons, spikes a sample."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

SATURATED = 0.95  # share of steps with a spike from which a neuron counts as stuck on


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How one layer fired, over all samples and time steps seen.

    Args: num_neurons: in the layer. rate: spikes per neuron and step. dead: share of neurons that never fired.
        saturated: share that fired in at least 95 % of the steps. spikes: of the whole layer, per sample.
    """

    num_neurons: int
    rate: float
    dead: float
    saturated: float
    spikes: float


@dataclass(slots=True)
class _Sums:
    size: Tensor  # (N,) sum of the spikes of each neuron; graded ones count by their size
    fired: Tensor  # (N,) steps in which it fired
    num_steps: int  # seen, over all samples
    num_samples: int


class Tally:
    """Adds up the spikes of each neuron over batches."""

    def __init__(self) -> None:
        self._layers: dict[str, _Sums] = {}

    def add(self, layer: str, spikes_TB: Tensor) -> None:
        """Add what a layer fired in one batch, (T, B, ...)."""
        num_steps, num_samples = spikes_TB.shape[:2]
        size = spikes_TB.detach().double().sum((0, 1)).flatten()
        fired = (spikes_TB.detach() != 0).sum((0, 1)).flatten()
        if layer not in self._layers:
            self._layers[layer] = _Sums(
                size=size, fired=fired, num_steps=num_steps * num_samples, num_samples=num_samples
            )
            return
        sums = self._layers[layer]
        sums.size += size
        sums.fired += fired
        sums.num_steps += num_steps * num_samples
        sums.num_samples += num_samples

    def activity(self) -> dict[str, Activity]:
        """Return the activity of each layer seen."""
        return {
            name: Activity(
                num_neurons=sums.size.numel(),
                rate=float(sums.size.mean()) / sums.num_steps,
                dead=float((sums.fired == 0).double().mean()),
                saturated=float((sums.fired >= SATURATED * sums.num_steps).double().mean()),
                spikes=float(sums.size.sum()) / sums.num_samples,
            )
            for name, sums in self._layers.items()
        }


def total_spikes(activity: Mapping[str, Activity]) -> float:
    """Return the spikes of all layers together, per sample."""
    return sum(layer.spikes for layer in activity.values())
