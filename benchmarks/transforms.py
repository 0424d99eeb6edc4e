"""Framing and voxel grids beside tonic, filters and HATS beside their plain forms, in turns, with the copy bandwidth.

    python benchmarks/transforms.py [--out FILE.json]

Tonic is used if it can be imported. Its bins are B / duration wide where those of Zhu et al. 2019 are (B - 1) / duration,
so the grids differ at equal cost; what must agree before anything is timed is that no event is lost. The plain forms
of the filters and of HATS (numpy and torch, without the extension) must give the same before they are timed.
The environment of tonic: ``crosscheck/environments.sh events``.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ranvier.data import HATS, STCF, BackgroundActivity, Events, Neighbourhood, NumWindows, Voxels, passes, sets

NUM = 10
ROW = np.dtype([("x", "<i8"), ("y", "<i8"), ("t", "<i8"), ("p", "<i8")])


def contenders(events: Events) -> dict:
    """Everything that is timed, as functions without arguments."""
    frames, voxels = NumWindows(num=NUM), Voxels(num_bins=NUM)
    columns = (events.t, events.x, events.y, events.polarity)
    found = {
        "copy": lambda: [c.copy() for c in columns],
        "ranvier frames": lambda: frames(events),
        "ranvier voxels": lambda: voxels(events),
    }
    assert float(found["ranvier frames"]().sum()) == len(events)
    try:
        from tonic import transforms
    except ImportError as absent:
        print(f"tonic is left out: {absent}")
        return found
    rows = np.zeros(len(events), ROW)
    for name, column in zip(("t", "x", "y", "p"), columns, strict=True):
        rows[name] = column
    sensor = (events.size[1], events.size[0], 2)
    theirs = transforms.ToFrame(sensor_size=sensor, n_time_bins=NUM)
    grid = transforms.ToVoxelGrid(sensor_size=sensor, n_time_bins=NUM)
    print("tonic frames hold", int(theirs(rows).sum()), "of", len(events), "events")
    return found | {"tonic frames": lambda: theirs(rows), "tonic voxels": lambda: grid(rows.copy())}


def plain(call: Callable[[], object]) -> object:
    """Call something as if the extension were not there."""
    there = passes.native
    passes.native = lambda: None
    try:
        return call()
    finally:
        passes.native = there


def filters(events: Events, *, rounds: int, slow: bool) -> dict[str, dict[str, float]]:
    """Millions of events a second of the compiled and the plain forms; HATS is plain only where it is not too slow."""
    found = {}
    for kind in (BackgroundActivity(), STCF(), Neighbourhood(), HATS()):
        calls = {"compiled": lambda kind=kind: kind(events)}
        if slow or not isinstance(kind, HATS):
            calls["plain"] = lambda kind=kind: plain(lambda: kind(events))
            here, there = calls["compiled"](), calls["plain"]()
            same = torch.equal(here, there) if isinstance(kind, HATS) else np.array_equal(here.t, there.t)
            assert same, type(kind).__name__
        times = timed(calls, rounds)
        found[type(kind).__name__] = {name: round(len(events) / 1e3 / ms, 2) for name, ms in times.items()}
    return found


def edge(num: int) -> Events:
    """An edge that sweeps a sensor of 346 x 260 three times, over a second."""
    r = np.random.default_rng(1)
    t = np.sort(r.integers(0, 10**6, num))
    x = (t // 1000 + r.integers(-2, 3, num)) % 346
    return Events.of(t, x, r.integers(0, 260, num), r.integers(0, 2, num), size=(260, 346))


def timed(found: dict, rounds: int) -> dict[str, float]:
    """Run all in turns; median milliseconds of each."""
    seen: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, call in found.items():
            start = time.perf_counter()
            call()
            seen[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in seen.items()}


def main() -> None:
    """Time a recording of N-MNIST and a million events of a 346 x 260 sensor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    r, num = np.random.default_rng(0), 1_000_000
    t = np.sort(r.integers(0, 10**6, num))
    large = Events.of(t, r.integers(0, 346, num), r.integers(0, 260, num), r.integers(0, 2, num), size=(260, 346))
    results = {"command": " ".join(["python", *sys.argv]), "threads": 1, "bins": NUM, "unit": "ms, median", "cases": {}}
    for name, events, rounds in (("nmnist", sets.nmnist.sample("test")[0][0], 201), ("1e6 events", large, 15)):
        times = timed(contenders(events), rounds)
        case = {"events": len(events), "times": {k: round(v, 4) for k, v in times.items()}}
        case["copy_GBps"] = round(len(events) * 13 * 2 / times["copy"] / 1e6, 2)
        for kind in ("frames", "voxels"):
            if f"tonic {kind}" in times:
                case[f"{kind}: times tonic"] = round(times[f"tonic {kind}"] / times[f"ranvier {kind}"], 1)
        results["cases"][name] = case
    digit = sets.nmnist.sample("test")[0][0]
    results["filters, 1e6 events a second"] = {
        "nmnist": filters(digit, rounds=11, slow=True),
        "an edge, 1e6 events": filters(edge(num), rounds=3, slow=False),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
