"""From a trained network and a batch of test data to the results of a report. Axes: T time, B batch, K classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ranvier.core.errors import ShapeError
from ranvier.core.rule import Loss
from ranvier.measure.activity import activity
from ranvier.measure.constants import HOROWITZ_45NM, Constants
from ranvier.measure.energy import CAVEAT, Estimate, energy
from ranvier.measure.operations import Operations, counting, total
from ranvier.measure.parameters import WEIGHTED, parameters
from ranvier.measure.passes import check_sequence, looking
from ranvier.measure.recordings import choose_samples, is_spiking, recordings
from ranvier.nn.observe import Seen, observe
from ranvier.report import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What results say about a run in words.

    Args: summary: one sentence. dt_ms: what one time step stands for in the data, if it stands for a time.
        headlines: figures to show first. notes: sentences for the end of the report.
    """

    title: str
    summary: str = ""
    command: str = ""
    seed: int | None = None
    dt_ms: float | None = None
    class_names: tuple[str, ...] = ()
    headlines: tuple[schema.Headline, ...] = ()
    claim: schema.Check | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a network answered over a whole test set: predicted and true classes, both (B,), and the mean loss."""

    predicted_B: Tensor
    targets_B: Tensor
    loss: float | None = None


def collect(
    net: nn.Module,
    inputs_TB: Tensor,
    targets_B: Tensor | None = None,
    *,
    about: About,
    answers: Answers | None = None,
    loss: Loss | None = None,
    constants: Constants = HOROWITZ_45NM,
) -> schema.Results:
    """Run a batch through a trained network and collect what a report shows.

    Rates, operations and energy are those of this batch; a hundred samples say enough. All its spikes are held in
    memory at once; membranes are recorded for the few samples that are shown.

    Args:
        net: gives (T, B, K) or (B, K). inputs_TB: (T, B, ...); two channels of an image are OFF and ON events.
        targets_B: true classes (B,). None: no classification, so no confusion matrix.
        answers: those of the whole test set, for accuracy and confusion matrix; without them this batch's own.
        loss: of (T, B, K) outputs and targets, shown as "Loss" where ``answers`` hold none.
    Raises: ShapeError if inputs and targets do not fit.
    """
    check_sequence("collect: inputs_TB", inputs_TB)
    samples = inputs_TB.shape[1]
    if targets_B is not None and targets_B.shape != (samples,):
        expected, got = f"one class for each of {samples} samples", str(tuple(targets_B.shape))
        raise ShapeError("collect: targets_B", expected=expected, got=got)
    with looking(net), counting(net) as tallies, observe(net, record=()) as seen:
        outputs = net(inputs_TB)
    counted = total(net, tallies, steps=inputs_TB.shape[0], samples=samples)
    estimate = energy(counted, constants)
    predicted_B = _predicted(outputs)
    if answers is None and targets_B is not None and predicted_B is not None:
        value = float(loss(outputs, targets_B)) if loss is not None else None
        answers = Answers(predicted_B=predicted_B, targets_B=targets_B, loss=value)
    layers = _layers(net, seen, counted, estimate)
    names = about.class_names or _numbers(answers, outputs)
    shown = choose_samples(predicted_B, targets_B, samples)
    films, traces = recordings(net, inputs_TB, shown, targets_B)
    return schema.Results(
        title=about.title,
        summary=about.summary,
        command=about.command,
        seed=about.seed,
        dt_ms=about.dt_ms,
        headlines=(*about.headlines, *_headlines(answers, layers, estimate))[:12],
        class_names=names,
        confusion=_confusion(answers, names),
        samples=films,
        traces=traces,
        layers=layers,
        energy=_energy(counted, estimate),
        claim=about.claim,
        notes=about.notes,
    )


def _predicted(outputs: Tensor) -> Tensor | None:
    if outputs.dim() == 3:
        return outputs.mean(dim=0).argmax(dim=-1)
    return outputs.argmax(dim=-1) if outputs.dim() == 2 else None


def _numbers(answers: Answers | None, outputs: Tensor) -> tuple[str, ...]:
    """Name classes by their numbers."""
    if answers is None or outputs.shape[-1] > 1000:
        return ()
    return tuple(str(k) for k in range(outputs.shape[-1]))


def _confusion(answers: Answers | None, names: Sequence[str]) -> schema.Confusion | None:
    num = len(names)
    if answers is None or not num or answers.targets_B.numel() == 0:
        return None
    true, said = answers.targets_B.cpu().long(), answers.predicted_B.cpu().long()
    if max(int(true.max()), int(said.max())) >= num or min(int(true.min()), int(said.min())) < 0:
        raise ShapeError("collect: class_names", expected=f"classes 0 to {num - 1}, one for each name", got="others")
    counts = torch.bincount(true * num + said, minlength=num * num).reshape(num, num)
    return schema.Confusion(class_names=tuple(names), counts=tuple(tuple(row) for row in counts.tolist()))


def _headlines(answers: Answers | None, layers: Sequence[schema.Layer], estimate: Estimate) -> list[schema.Headline]:
    found = []
    if answers is not None and answers.targets_B.numel():
        right = int((answers.predicted_B.cpu() == answers.targets_B.cpu()).sum())
        num = answers.targets_B.numel()
        note = f"{right} of {num} samples"
        found.append(schema.Headline(label="Accuracy", value=100 * right / num, unit="%", note=note))
    if answers is not None and answers.loss is not None and np.isfinite(answers.loss):
        found.append(schema.Headline(label="Loss", value=answers.loss))
    active = [layer.activity for layer in layers if layer.activity]
    neurons = sum(seen.num_neurons for seen in active)
    if neurons:
        rate = sum(seen.rate * seen.num_neurons for seen in active) / neurons
        found.append(schema.Headline(label="Mean firing rate", value=rate, note="spikes per neuron and time step"))
    if estimate.layers:
        note = "synaptic arithmetic, estimated"
        found.append(schema.Headline(label="Energy a sample", value=estimate.snn / 1e6, unit="µJ", note=note))
    return found


def _energy(counted: Operations, estimate: Estimate) -> schema.Energy | None:
    if not counted.layers:
        return None
    names = ", ".join(path or "the network's own weights" for path in counted.uncounted[:20])
    missing = f" Not counted: {names}." if names else ""
    return schema.Energy(
        mac_pj=estimate.constants.mac_pj,
        ac_pj=estimate.constants.ac_pj,
        source=estimate.constants.source,
        caveat=CAVEAT + missing,
        snn_pj=estimate.snn,
        dense_pj=estimate.dense,
        ann_pj=estimate.ann,
    )


def _layers(net: nn.Module, seen: dict[str, Seen], counted: Operations, estimate: Estimate) -> tuple[schema.Layer, ...]:
    """List the layers that have parameters, neurons or work to do, in the order of the network."""
    sizes = parameters(net)
    found = []
    for path, module in net.named_modules():
        if path not in sizes and path not in seen and path not in counted.layers:
            continue
        work = counted.layers.get(path)
        found.append(
            schema.Layer(
                name=path or type(net).__name__,
                kind=kind(module),
                parameters=sizes.get(path, 0),
                activity=_activity(seen[path]) if path in seen else None,
                dense=work.dense if work else None,
                macs=work.macs if work else None,
                acs=work.acs if work else None,
                energy_pj=estimate.layers.get(path),
            )
        )
    return tuple(found[:1000])


def _activity(seen: Seen) -> schema.Activity | None:
    """Describe firing; None for a layer that does not spike (a read-out whose output is its membrane)."""
    return activity(seen.spikes_TB) if is_spiking(seen) else None


def kind(module: nn.Module) -> str:
    """Say in a few words what a layer is: "Conv2d 2 → 16, 3×3", "LIF", "Linear 100 → 10"."""
    name = type(module).__name__
    plan = getattr(module, "plan", None)
    neuron = getattr(plan, "neuron", None)
    if neuron is not None:
        return type(neuron).__name__ if name == "Spiking" else f"{name} {type(neuron).__name__}"
    if isinstance(module, nn.Linear):
        return f"{name} {module.in_features} → {module.out_features}"
    if isinstance(module, WEIGHTED):
        size = "×".join(map(str, getattr(module, "kernel_size", ())))
        return f"{name} {module.in_channels} → {module.out_channels}, {size}"
    return name
