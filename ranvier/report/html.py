"""The report of a run as one self-contained HTML page: opens offline, asks nothing of the network, needs no script."""

import shlex
from pathlib import Path
from typing import Any

from ranvier.report import assets, words
from ranvier.report.figures.confusion import heatmap, mistakes, recalls
from ranvier.report.figures.curves import curve, panels
from ranvier.report.figures.film import film
from ranvier.report.figures.layers import bars, sparkline
from ranvier.report.figures.membrane import membrane
from ranvier.report.schema import Check, Energy, Layer, Results, Sample
from ranvier.report.source import Source, read
from ranvier.report.words import number, short
from ranvier.runs.files import disk, write_whole

FILE_NAME = "report.html"


def write(run_folder: Path | str) -> Path:
    """Write ``report.html`` into a run folder, finished or not, and return its path.

    What the folder lacks is said in the page, with how to get it.

    Raises: RunError if there is no such folder or the page cannot be written.
    """
    source = read(Path(run_folder))
    path = source.folder / FILE_NAME
    page = render(source).encode("utf-8", errors="replace")
    with disk(str(path)):
        write_whole(path, page)
    return path


def render(source: Source) -> str:
    """Return the page of a run."""
    results = source.results
    page: dict[str, Any] = {
        "title": _title(source),
        "folder": shlex.quote(str(source.folder)),
        "folder_name": source.folder.resolve().name,
        "results": results,
        "faults": source.faults,
        "seed": results.seed if results else source.environment.get("seed"),
        "created": source.environment.get("started", "")[:16].replace("T", " "),
        "command": (results.command if results else "") or source.command,
        "environment": source.environment,
        "config": source.config,
        "curves": [curve(panel, source.epoch_starts) for panel in panels(source.series)],
        "headlines": [_headline(h) for h in results.headlines] if results else [],
        **_answers(results),
        **_recordings(results),
        **_work(results),
    }
    return assets.render("report.html.j2", script="script.js", page=page)


def _title(source: Source) -> str:
    return source.results.title if source.results else source.name or source.folder.resolve().name


def _headline(headline: Any) -> dict[str, str]:
    value = headline.value
    large = abs(value) >= 1e4 or 0 < abs(value) < 1e-3
    shown = f"{value:.1f}" if headline.unit == "%" else short(value) if large else f"{value:.3g}"
    return {"label": headline.label, "shown": shown, "unit": headline.unit, "note": headline.note}


def _answers(results: Results | None) -> dict[str, Any]:
    found: dict[str, Any] = {"confusion": None, "recalls": [], "mistakes": [], "claim_rows": []}
    if results and results.confusion:
        found["confusion"] = heatmap(results.confusion)
        found["recalls"], found["mistakes"] = recalls(results.confusion), mistakes(results.confusion)
    if results and results.claim:
        found["claim_rows"] = _claim_rows(results.claim)
    return found


def _claim_rows(claim: Check) -> list[tuple[str, str, str, str]]:
    def shown(values: dict[str, float], name: str) -> str:
        return number(values[name], 3) if name in values else ""

    names = dict.fromkeys([*claim.measured, *claim.control, *claim.published])
    return [(n, claim.published.get(n, ""), shown(claim.measured, n), shown(claim.control, n)) for n in names]


def _recordings(results: Results | None) -> dict[str, Any]:
    if results is None:
        return {"films": [], "membranes": []}
    layers = list(dict.fromkeys(trace.layer for trace in results.traces))
    return {
        "films": [_film(sample, i, results) for i, sample in enumerate(results.samples)],
        "membranes": [membrane(t, colour=f"c{layers.index(t.layer) % 6 + 1}") for t in results.traces],
    }


def _film(sample: Sample, index: int, results: Results) -> dict[str, Any]:
    def name(k: int | None) -> str | None:
        return None if k is None else results.class_names[k] if k < len(results.class_names) else str(k)

    known = sample.target is not None and sample.predicted is not None
    right = sample.target == sample.predicted
    spikes = sum(len(raster.step) for raster in sample.rasters)
    said = f"sample {index}, {sample.steps} time steps, {spikes} spikes shown"
    if known:
        said = ("answered rightly: " if right else "answered wrongly: ") + said
    return {
        "key": f"sample-{index}",
        "svg": film(sample, results.class_names, key=f"sample-{index}", dt_ms=results.dt_ms),
        "frames": sample.frames,
        "start": int(sample.frames.array().sum(axis=(1, 2, 3), dtype=int).argmax()) if sample.frames else 0,
        "target": name(sample.target),
        "predicted": name(sample.predicted),
        "mark": "" if not known else "right" if right else "wrong",
        "words": said,
    }


def _work(results: Results | None) -> dict[str, Any]:
    layers = results.layers if results else ()
    found: dict[str, Any] = {
        "layers": [_layer_row(layer) for layer in layers],
        "total": {
            "parameters": f"{sum(layer.parameters for layer in layers):,}",
            "neurons": f"{sum(layer.activity.num_neurons for layer in layers if layer.activity):,}",
            "dense": short(sum(layer.dense or 0 for layer in layers)),
            "done": short(sum((layer.macs or 0) + (layer.acs or 0) for layer in layers)),
            "energy": words.energy(sum(layer.energy_pj or 0 for layer in layers)),
        },
    }
    if results and results.energy:
        found["energy_bars"] = bars(results.energy, layers)
        found["energy_sentence"] = energy_sentence(results.energy)
    return found


def _layer_row(layer: Layer) -> dict[str, Any]:
    seen, work = layer.activity, layer.dense is not None
    macs, acs = layer.macs or 0.0, layer.acs or 0.0
    return {
        "name": layer.name,
        "kind": layer.kind,
        "parameters": f"{layer.parameters:,}" if layer.parameters else "",
        "neurons": f"{seen.num_neurons:,}" if seen else "",
        "rate": number(seen.rate, 3) if seen else "",
        "spark": sparkline(seen.histogram) if seen and seen.histogram else "",
        "dead": f"{100 * seen.dead:.1f} %" if seen else "",
        "saturated": f"{100 * seen.saturated:.1f} %" if seen else "",
        "many_dead": bool(seen and seen.dead > 0.5),
        "many_saturated": bool(seen and seen.saturated > 0.5),
        "dense": short(layer.dense) if layer.dense is not None else "",
        "done": short(macs + acs) if work else "",
        "sort": "" if not work else "both" if macs and acs else "MAC" if macs else "AC",
        "energy": words.energy(layer.energy_pj) if layer.energy_pj is not None else "",
    }


def energy_sentence(energy: Energy) -> str:
    """Say in one sentence what a sample costs and how that compares with the ANN of the same shape."""
    start = f"One sample costs about {words.energy(energy.snn_pj)} of synaptic arithmetic"
    if not energy.snn_pj or not energy.ann_pj:
        return start + "."
    ratio = energy.ann_pj / energy.snn_pj
    if ratio >= 1:
        return f"{start}, {ratio:.2g} times less than an ANN of the same shape."
    return f"{start}, {1 / ratio:.2g} times more than an ANN of the same shape: here the spikes do not pay."
