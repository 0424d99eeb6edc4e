"""A run folder as a finished classification run leaves it: made of synthetic events and a small simulation in numpy."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ranvier.report.schema import (
    Activity,
    Check,
    Confusion,
    Energy,
    Frames,
    Headline,
    Layer,
    Raster,
    Results,
    Sample,
    Trace,
)

STEPS, SIDE = 10, 34
LAYERS = (("0", "LIF", 24), ("1", "LIF", 16), ("2", "LIF", 10))
NAMES = tuple(str(i) for i in range(10))


def moving_bar(rng: np.random.Generator) -> np.ndarray:
    """Events of a bar that moves to the right: ON at its front, OFF at its back."""
    events = np.zeros((STEPS, 2, SIDE, SIDE))
    for t in range(STEPS):
        x = 4 + int(2.4 * t)
        events[t, 1, 6:28, x : x + 2] = rng.poisson(2.0, (22, 2))
        events[t, 0, 6:28, x - 4 : x - 2] = rng.poisson(1.6, (22, 2))
    return events


def fire(rng: np.random.Generator, num: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Membranes and spikes of LIF neurons with noisy input: v and spikes, both (T, N)."""
    v, vs, spikes = np.zeros(num), [], []
    drive = rng.gamma(1.5, 0.4, num)
    for _ in range(steps):
        v = 0.7 * v + drive * rng.uniform(0, 1.4, num)
        spikes.append(v >= 1.0)
        v = v - spikes[-1]
        vs.append(v)
    return np.array(vs), np.array(spikes)


def make_sample(
    rng: np.random.Generator, events: np.ndarray, target: int, predicted: int
) -> tuple[Sample, list[Trace]]:
    steps = len(events)
    rasters, traces = [], []
    for name, _, num in LAYERS:
        v, spikes = fire(rng, num, steps)
        step, row = np.nonzero(spikes)
        rasters.append(
            Raster(
                layer=name,
                num_neurons=50 * num,
                neurons=tuple(range(num)),
                row=tuple(row.tolist()),
                step=tuple(step.tolist()),
            )
        )
        for k in range(2):
            times = tuple(np.flatnonzero(spikes[:, k]).tolist())
            traces.append(Trace(layer=name, neuron=k, v=tuple(v[:, k].tolist()), v_th=1.0, spikes=times))
    scores = rng.normal(0, 0.6, (steps, 10))
    scores[:, predicted] += 1.2
    frames = Frames.of(events)
    sample = Sample(
        steps=steps, target=target, predicted=predicted, frames=frames, rasters=tuple(rasters),
        scores=tuple(tuple(row) for row in scores.tolist()),
    )  # fmt: skip
    return sample, traces


def make_results(events: list[np.ndarray] | None = None, *, seed: int = 0) -> Results:
    """Results of a made-up run."""
    rng = np.random.default_rng(seed)
    events = events or [moving_bar(rng), moving_bar(rng)]
    made = [make_sample(rng, e, target=7 - i, predicted=7 if i == 0 else 2) for i, e in enumerate(events)]
    counts = np.diag(rng.integers(8, 14, 10)) + (rng.random((10, 10)) < 0.06)
    work = ((3.4e6, 8.1e5, 0.0), (1.2e7, 0.0, 9.4e5), (9.2e5, 0.0, 6.1e4))
    layers = []
    for (name, kind, num), (dense, macs, acs) in zip(LAYERS, work, strict=True):
        rates = rng.beta(0.7, 6, 50 * num) * (rng.random(50 * num) > 0.1)
        layers.append(
            Layer(name=f"{name}.conv", kind="Conv2d 2 → 16, 3×3", parameters=9000 + num, dense=dense,
                  macs=macs, acs=acs, energy_pj=4.6 * macs + 0.9 * acs)
        )  # fmt: skip
        seen = Activity(
            num_neurons=50 * num, rate=float(rates.mean()), dead=float((rates == 0).mean()),
            saturated=float((rates > 0.95).mean()), histogram=tuple(np.histogram(rates, 20, (0, 1))[0].tolist()),
        )  # fmt: skip
        layers.append(Layer(name=name, kind=kind, activity=seen))
    snn = sum(4.6 * m + 0.9 * a for _, m, a in work)
    dense = 4.6 * sum(d for d, _, _ in work)
    return Results(
        title="Surrogate gradients on N-MNIST",
        summary="A spiking convolutional network learns to name digits from the events of a moving camera.",
        command="ranvier run stbp --seed 0 --set train.epochs=4",
        seed=0,
        dt_ms=30.0,
        headlines=(
            Headline(label="Test accuracy", value=94.0, unit="%", note="94 of 100 recordings, never trained on"),
            Headline(label="Test loss", value=0.2132),
            Headline(label="Mean firing rate", value=0.0734, note="spikes per neuron and step"),
            Headline(label="Energy a sample", value=snn / 1e6, unit="µJ", note="synaptic arithmetic, 45 nm"),
        ),
        class_names=NAMES,
        confusion=Confusion(class_names=NAMES, counts=tuple(tuple(row) for row in counts.tolist())),
        samples=tuple(sample for sample, _ in made),
        traces=tuple(made[0][1]),
        layers=tuple(layers),
        energy=Energy(
            mac_pj=4.6, ac_pj=0.9, source="Horowitz 2014, ISSCC, 32-bit floating point at 45 nm",
            caveat="Arithmetic of synapses only: no memory traffic, no neuron updates, no input or output.",
            snn_pj=snn, dense_pj=dense, ann_pj=dense / STEPS,
        ),
        claim=Check(
            sentence="Credit must be assigned through time: cut it, and the order of events is not learned.",
            verdict="holds", measured={"accuracy": 0.94}, control={"accuracy": 0.11}, published={"accuracy": "0.988"},
        ),
    )  # fmt: skip


def make_metrics(*, epochs: int = 6, steps: int = 60, seed: int = 0) -> list[dict]:
    """Rows as a trainer writes them: one a step, and one an epoch after the test."""
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        for step in range((epoch - 1) * steps + 1, epoch * steps + 1):
            loss = 2.3 * np.exp(-step / 90) + 0.12 + rng.normal(0, 0.05)
            lr = 5e-4 * (1 + np.cos(np.pi * step / (epochs * steps)))
            rows.append({"step": step, "epoch": epoch, "loss": loss, "lr": lr, "grad_norm": rng.gamma(2, 0.4)})
        fall = np.exp(-epoch * steps / 90)
        layers = {name: {"rate": 0.05 + 0.02 * i + 0.1 * fall, "dead": 0.1 * (i + fall), "saturated": 0.0}
                  for i, (name, _, _) in enumerate(LAYERS)}  # fmt: skip
        rows.append(
            {"step": epoch * steps, "epoch": epoch, "steps_per_s": 11.2, "train_loss": 2.2 * fall + 0.14,
             "train_accuracy": 0.97 - 0.8 * fall, "test_loss": 2.1 * fall + 0.21, "test_accuracy": 0.95 - 0.7 * fall,
             "rate": 0.07 + 0.1 * fall, "dead": 0.1 * (1 + fall), "spikes_per_sample": 3000 + 2000 * fall,
             "layers": layers}
        )  # fmt: skip
    return rows


ENVIRONMENT = {
    "started": "2026-01-05T14:03:21+00:00", "command": ["ranvier", "run", "stbp", "--seed", "0"], "seed": 0,
    "python": "3.11.9", "versions": {"ranvier": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"}, "system": "Linux x86_64",
    "cpu": "AMD EPYC 7R13", "num_cpus": 2, "num_threads": 2, "gpus": [], "git": {"commit": "3f2c9ab", "changed": False},
}  # fmt: skip
CONFIG = {"name": "stbp", "config": {"train": {"epochs": 6, "batch": 32, "learning_rate": 0.001}, "tau_m": 2.0}}


def fill(folder: Path, results: Results | None) -> Path:
    """Write the files of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_metrics()))
    if results is not None:
        results.write(folder)
    return folder


@pytest.fixture(scope="session")
def results() -> Results:
    return make_results()


@pytest.fixture
def run(tmp_path: Path, results: Results) -> Path:
    return fill(tmp_path / "stbp-0", results)


@pytest.fixture
def partial_run(tmp_path: Path) -> Path:
    return fill(tmp_path / "stbp-1", None)


@pytest.fixture
def filled() -> Callable[[Path, Results | None], Path]:
    return fill
