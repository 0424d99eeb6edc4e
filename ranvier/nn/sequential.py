"""Layers one after the other, with and without time. Axes: T time, B batch."""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.kernels.packed import Form, checked_form
from ranvier.nn.compact import currents_made_anew
from ranvier.nn.folding import as_layer, call, sees_time
from ranvier.nn.inputs import bytes_as_spikes, check_finite, check_sequence
from ranvier.nn.normed import is_pair, joins, run_pair
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import TimeAware
from ranvier.nn.stream import Stream

_INSIDE: ContextVar[bool] = ContextVar("ranvier.nn inside a container", default=False)


class Sequential(TimeAware):
    """Layers one after the other, on sequences (T, B, ...).

    A neuron description becomes a ``Spiking`` layer. Layers that see time get it; plain torch layers are called with
    time folded into the batch, (T * B, ...): their time and batch axes stay, so ``nn.Flatten()`` gives (T, B, K), a
    batch norm takes its statistics over both, and ``nn.Dropout`` draws anew at every step (``ranvier.nn.Dropout`` does
    not). An ``nn.Sequential`` that holds a layer with time becomes a ``Sequential`` too.

    ``torch.compile(net, fullgraph=True)`` and ``torch.export`` see one graph, which starts from rest; for an export
    with other lengths and batches mark both axes as ``torch.export.Dim.DYNAMIC``.

    Events may come as bytes: an input of uint8 or bool is read as ``PackedSpikes``, so that no float copy of it is
    kept. Spikes may be handed on so as well: see ``spikes``.

    Args:
        layers: modules and neurons, or one mapping from their names.
        spikes: how neurons given as descriptions hand on their spikes, as for ``Spiking``; layers keep their own way.
    Raises: ShapeError, DtypeError that name the layer; NonFiniteError for an input in main memory that holds NaN.
    """

    def __init__(self, *layers: nn.Module | Neuron | Mapping[str, nn.Module | Neuron], spikes: Form = "dense") -> None:
        super().__init__()
        checked_form("Sequential", spikes)
        items: Any = enumerate(layers)
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            items = layers[0].items()
        for name, given in items:
            self.add_module(str(name), build(f'Sequential "{name}"', given, spikes))

    def forward(self, x_TB: Tensor) -> Tensor:
        """Call the layers one after the other, every stateful one from rest (or as ``ranvier.nn.run`` carries)."""
        if not torch.compiler.is_compiling() and _INSIDE.get():
            return self._through(x_TB)
        if not _takes_indices(self):
            x_TB = bytes_as_spikes(x_TB, self)
        if torch.compiler.is_compiling():
            return self._through(x_TB)
        check_sequence("Sequential", x_TB, integers=_takes_indices(self))
        check_finite("Sequential", x_TB)
        token = _INSIDE.set(True)  # containers inside this one need not look at every number again
        try:
            return self._through(x_TB)
        finally:
            _INSIDE.reset(token)

    def _through(self, x_TB: Tensor) -> Tensor:
        layers = list(self.named_children())
        joined = False
        before: tuple[nn.Module | None, Tensor] = None, x_TB
        for (name, layer), (next_name, behind) in zip(layers, [*layers[1:], ("", None)], strict=True):
            if joined:  # this one ran together with the one before
                joined = False
                continue
            if behind is not None and is_pair(layer, behind) and joins(layer, behind, x_TB):
                y_TB, joined = call(next_name, behind, x_TB, partial(run_pair, layer)), True
                layer = behind
            elif isinstance(layer, Spiking) and not torch.compiler.is_compiling():
                with currents_made_anew(*before, x_TB):
                    y_TB = call(name, layer, x_TB)
            else:
                y_TB = call(name, layer, x_TB)
            before, x_TB = (layer, x_TB), y_TB
        return x_TB

    def stream(self, *, batch: int) -> Stream:
        """Start a stream at rest for a batch of that size."""
        return Stream(self, batch=batch)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.children())

    def __getitem__(self, key: int | str | slice) -> nn.Module:
        """Return a layer by its place or name; a slice gives a Sequential of the same layers under the same names."""
        items = dict(self.named_children())
        if isinstance(key, slice):
            return Sequential(dict(list(items.items())[key]))
        if isinstance(key, str):
            if key not in items:
                raise UnknownNameError.among("Sequential", key, items, kind="layer")
            return items[key]
        return list(items.values())[key]


def build(where: str, given: nn.Module | Neuron, spikes: Form = "dense") -> nn.Module:
    """Turn what a container is given into a layer: a neuron into ``Spiking``, layers with time into ``Sequential``.

    Raises: ConfigError for anything that is neither a neuron nor a module.
    """
    layer = as_layer(where, given, spikes)
    # A plain nn.Sequential would hand its convolutions five axes, so one with time inside is taken for ours.
    return Sequential(dict(layer.named_children())) if type(layer) is nn.Sequential and sees_time(layer) else layer


def _takes_indices(net: nn.Module) -> bool:
    """Tell whether the first layer looks numbers up in a table."""
    first = next(m for m in net.modules() if not list(m.children()))
    return isinstance(first, nn.Embedding | nn.EmbeddingBag)
