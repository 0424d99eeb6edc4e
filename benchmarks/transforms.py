"""Framing and voxel grids beside tonic, in turns, with the copy bandwidth of the same minute.

    python benchmarks/transforms.py [--out FILE.json]

Tonic is used if it can be imported. Its bins are B / duration wide where those of Zhu et al. 2019 are (B - 1) / duration,
so the grids differ at equal cost; what must agree before anything is timed is that no event is lost.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ranvier.data import Events, NumWindows, Voxels, sets

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
    results = {"command": " ".join(sys.argv), "threads": 1, "bins": NUM, "unit": "ms, median", "cases": {}}
    for name, events, rounds in (("nmnist", sets.nmnist.sample("test")[0][0], 201), ("1e6 events", large, 15)):
        times = timed(contenders(events), rounds)
        case = {"events": len(events), "times": {k: round(v, 4) for k, v in times.items()}}
        case["copy_GBps"] = round(len(events) * 13 * 2 / times["copy"] / 1e6, 2)
        for kind in ("frames", "voxels"):
            if f"tonic {kind}" in times:
                case[f"{kind}: times tonic"] = round(times[f"tonic {kind}"] / times[f"ranvier {kind}"], 1)
        results["cases"][name] = case
    text = json.dumps(results, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
