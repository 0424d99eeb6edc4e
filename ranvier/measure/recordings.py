"""Recordings for a report: a few samples with their input, spikes and scores, and membranes of a few neurons."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ranvier.measure.passes import looking
from ranvier.nn.observe import Seen, observe, recordable
from ranvier.report import schema

NEURONS = 32  # a layer and raster
TRACES = 2  # a layer
MOST_TRACES = 12
MOST_LAYERS = 8
MOST_STEPS = 2000  # longer recordings are cut: nothing could be seen in them


def choose_samples(predicted_B: Tensor | None, targets_B: Tensor | None, num: int, *, most: int = 3) -> list[int]:
    """Choose a right answer, a wrong one, and others, each of another class where possible."""
    if predicted_B is None or targets_B is None:
        return list(range(min(num, most)))
    right = (predicted_B == targets_B).tolist()
    classes = targets_B.tolist()
    order = [*[i for i in range(num) if right[i]][:1], *[i for i in range(num) if not right[i]][:1], *range(num)]
    chosen: list[int] = []
    for fresh in (True, False):  # first samples of classes not shown yet, then any
        for i in order:
            if len(chosen) < most and i not in chosen and not (fresh and classes[i] in [classes[j] for j in chosen]):
                chosen.append(i)
    return chosen


def recordings(
    net: nn.Module, inputs_TB: Tensor, shown: list[int], targets_B: Tensor | None
) -> tuple[tuple[schema.Sample, ...], tuple[schema.Trace, ...]]:
    """Run the shown samples once more, with membranes recorded."""
    inputs = inputs_TB[:, shown]
    with looking(net), observe(net, record=_record(net)) as seen:
        outputs = net(inputs)
    seen = {path: layer for path, layer in seen.items() if is_spiking(layer)}
    modules = dict(net.named_modules())
    films = tuple(
        _sample(i, inputs, outputs, seen, modules, None if targets_B is None else int(targets_B[shown[i]]))
        for i in range(len(shown))
    )
    traces = [trace for path, layer in seen.items() for trace in _traces(path, modules[path], layer)]
    return films, tuple(traces[:MOST_TRACES])


def _record(net: nn.Module) -> tuple[str, ...]:
    """Ask for membranes where there are any."""
    return ("v",) if any("v" in (recordable(module) or ()) for module in net.modules()) else ()


def is_spiking(layer: Seen) -> bool:
    """Tell whether a layer puts out whole numbers of spikes, not graded values such as a membrane."""
    return bool((layer.spikes_TB == layer.spikes_TB.round()).all())


def _sample(
    i: int, inputs: Tensor, outputs: Tensor, seen: dict[str, Seen], modules: dict[str, nn.Module], target: int | None
) -> schema.Sample:
    steps = min(inputs.shape[0], MOST_STEPS)
    rasters = []
    if inputs.dim() == 3:
        rasters.append(_raster("input", inputs[:steps, i], spread=True))
    for path, layer in list(seen.items())[:MOST_LAYERS]:
        rasters.append(_raster(_title(path, modules[path]), layer.spikes_TB[:steps, i]))
    scores: tuple[tuple[float, ...], ...] = ()
    mean = None
    if outputs.dim() == 3 and outputs.shape[-1] <= 1000:
        mean = outputs[:, i].mean(dim=0)
        if outputs.shape[0] == inputs.shape[0] and bool(torch.isfinite(outputs[:, i]).all()):
            scores = tuple(tuple(row) for row in outputs[: min(steps, 1000), i].double().tolist())
    elif outputs.dim() == 2:
        mean = outputs[i]
    return schema.Sample(
        steps=steps,
        target=target,
        predicted=None if mean is None else int(mean.argmax()),
        frames=_frames(inputs[:steps, i]),
        rasters=tuple(rasters),
        scores=scores,
    )


def _title(path: str, module: Any) -> str:
    plan = getattr(module, "plan", None)
    neuron = type(module if plan is None else plan.neuron).__name__
    return f"{path} {neuron}" if path else neuron


def _frames(x_T: Tensor) -> schema.Frames | None:
    """Turn inputs into small images: (T, C, H, W) with 1 to 3 channels, or (T, H, W)."""
    x = x_T.unsqueeze(1) if x_T.dim() == 3 else x_T
    if x.dim() != 4 or x.shape[1] > 3 or max(x.shape[2:]) > 256 or x.numel() > 8 << 20:
        return None
    x = x.mean(dim=1, keepdim=True) if x.shape[1] == 3 else x
    values = np.abs(x[:1024].double().cpu().numpy())
    return schema.Frames.of(values) if np.isfinite(values).all() else None


def _raster(title: str, spikes_T: Tensor, *, spread: bool = False) -> schema.Raster:
    """Show neurons from quiet to busy: evenly chosen among those that fired (``spread``: among all)."""
    fired = (spikes_T != 0).reshape(spikes_T.shape[0], -1).cpu().numpy()
    neurons = _even(np.arange(fired.shape[1]), NEURONS) if spread else _choose(fired.sum(axis=0), NEURONS)
    step, row = np.nonzero(fired[:, neurons])
    return schema.Raster(
        layer=title[:200],
        num_neurons=fired.shape[1],
        neurons=tuple(neurons.tolist()),
        row=tuple(row.tolist()),
        step=tuple(step.tolist()),
    )


def _choose(counts: NDArray[np.integer], most: int) -> NDArray[np.integer]:
    """Choose neurons evenly over the order of their counts, among those that fired; by index."""
    active = np.flatnonzero(counts)
    pool = active if len(active) >= 2 else np.arange(len(counts))
    chosen: NDArray[np.integer] = np.sort(_even(pool[np.argsort(counts[pool], kind="stable")], most))
    return chosen


def _even(values: NDArray[np.integer], most: int) -> NDArray[np.integer]:
    places = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(np.int64)
    chosen: NDArray[np.integer] = values[places]
    return chosen


def _traces(path: str, module: Any, layer: Seen) -> list[schema.Trace]:
    """Record membranes in the first sample: of the median neuron among those that fire, and of a busy one."""
    if "v" not in layer.states:
        return []
    v = layer.states["v"][:MOST_STEPS, 0]
    fired = (layer.spikes_TB[:MOST_STEPS, 0] != 0).reshape(v.shape[0], -1).cpu()
    counts = fired.sum(dim=0).numpy()
    order = np.argsort(counts, kind="stable")
    active = order[counts[order] > 0]
    pool = active if len(active) else order
    chosen = dict.fromkeys(int(pool[round(q * (len(pool) - 1))]) for q in (0.5, 0.95))
    limit = _threshold(module, v)
    found = []
    for k in list(chosen)[:TRACES]:
        trace = v.reshape(v.shape[0], -1)[:, k].double().cpu()
        if bool(torch.isfinite(trace).all()):
            v_th = None if limit is None else float(limit[k])
            spikes = tuple(torch.nonzero(fired[:, k])[:, 0].tolist())
            title = _title(path, module)[:200]
            found.append(schema.Trace(layer=title, neuron=k, v=tuple(trace.tolist()), v_th=v_th, spikes=spikes))
    return found


def _threshold(module: Any, v_T: Tensor) -> Tensor | None:
    """Return the fixed threshold of each neuron, where the neuron has one."""
    v_th = getattr(getattr(module, "neuron", None), "v_th", None)
    if not isinstance(v_th, float | Tensor):
        return None
    return torch.as_tensor(v_th).detach().cpu().broadcast_to(v_T.shape[1:]).reshape(-1)
