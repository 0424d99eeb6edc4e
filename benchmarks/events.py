"""Decoding event files beside faery, expelliarmus, tonic and SpikingJelly, in turns, with the copy bandwidth of each turn.

    crosscheck/environments.sh                                               # makes .crosscheck/readers
    PYTHONPATH=. .crosscheck/readers/bin/python benchmarks/events.py [--out benchmarks/events.json]

Every reader reads a whole file into arrays. That the events agree is checked before anything is timed. The limit is the
bytes of the file plus 14 bytes for each event, over the bandwidth (bytes read and written) of a copy that exceeds the
caches, on one thread. All readers run on one thread; where ours decodes in parts it runs once more on as many threads as
torch has. Times of one thread are those of the process, so that other programs count for little; what several threads
are worth only the clock on the wall tells, so both are written for all: medians over the turns. Of two calls
one after the other the second counts.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

from ranvier.data import Events, open_events
from ranvier.data.formats import aedat4, native
from ranvier.data.formats.registry import by_name
from ranvier.runs.environment import describe

FILES = {
    "evt2": ".raw",
    "evt3": ".raw",
    "dat": ".dat",
    "aedat4": ".aedat4",
    "aedat4 lz4": ".aedat4",
    "nmnist_bin": ".bin",
    "es": ".es",
}
REAL = {
    "evt2 recording": "prophesee_evt2.raw",
    "evt3 recording": "prophesee_evt3.raw",
    "aedat4 recording": "dvxplorer_320x240.aedat4",
    "es recording": "eventstream_dvs.es",
}
PARTED = ("evt2", "dat", "aedat4", "nmnist_bin")
COPY = 64 << 20
THREADS = torch.get_num_threads()
TOGETHER = f"ranvier C++, {THREADS} threads"
_REST = (
    0.02  # seconds before each call: threads of the call before spin for a while, which counts as time of the process
)
# What SpikingJelly's package imports and its readers do not use.
_UNUSED = [f"torchvision{part}" for part in ("", ".datasets", ".datasets.utils", ".datasets.folder", ".transforms")]
_UNUSED += [f"torchaudio{part}" for part in ("", ".datasets", ".transforms", ".functional")]
# ruff: noqa: ARG001 # one form for all readers
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def made(folder: Path, num: int) -> dict[str, tuple[Path, str, tuple[int, int]]]:
    """Write a recording of every format; and take real ones where RANVIER_DATA has them."""
    r = np.random.default_rng(0)
    found = {}
    for title, ending in FILES.items():
        name = title.split()[0]
        height, width = (34, 34) if name == "nmnist_bin" else (480, 640)
        t = np.cumsum(r.integers(0, 2, num))
        events = Events.of(
            t, r.integers(0, width, num), r.integers(0, height, num), r.integers(0, 2, num), size=(height, width)
        )
        path = folder / f"{title.replace(' ', '_')}{ending}"
        if title == "aedat4 lz4":
            aedat4.write(path, events, compression="lz4")
        else:
            by_name(name).write(path, events)
        found[title] = (path, name, (height, width))
    if "RANVIER_DATA" in os.environ:
        for title, file in REAL.items():
            path = Path(os.environ["RANVIER_DATA"]) / "event_formats" / file
            found[title] = (path, title.split()[0], open_events(path).size)
    return found


def ours(path: Path, name: str, size: tuple[int, int], *, compiled: bool, threads: int = 1) -> Columns:
    """Read with the compiled decoder or its numpy twin."""
    torch.set_num_threads(threads)
    recording = open_events(path, format=name, size=size)
    if not compiled:
        recording = replace(recording, reader=replace(recording.reader, compiled=None))
    events = recording.read()
    return events.t, events.x, events.y, events.polarity


def faery(path: Path, name: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Read with faery: arrays as its stream gives them."""
    import faery as peer

    return list(peer.events_stream_from_file(path))


def expelliarmus(path: Path, name: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Read with expelliarmus."""
    from expelliarmus import Wizard

    return [Wizard(encoding=name).read(str(path))]


def tonic(path: Path, name: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Read with tonic."""
    from tonic import io

    if name == "nmnist_bin":
        return [io.read_mnist_file(str(path), dtype=np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))]
    return [io.read_aedat4(str(path))]


def spikingjelly(path: Path, name: str, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Read with SpikingJelly's reader."""
    for part in _UNUSED:
        sys.modules.setdefault(part, MagicMock())
    from spikingjelly.datasets import utils

    return utils.load_ATIS_bin(str(path))


PEERS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "faery": (faery, ("evt2", "evt3", "dat", "aedat4", "es")),
    "expelliarmus": (expelliarmus, ("evt2", "evt3", "dat")),
    "tonic": (tonic, ("nmnist_bin", "aedat4")),
    "spikingjelly": (spikingjelly, ("nmnist_bin",)),
}


def columns(given: Any) -> Columns:
    """Bring what a reader gives into one form."""
    if isinstance(given, tuple):
        return given
    names = [("t",), ("x",), ("y",), ("p", "on", "polarity")]
    if isinstance(given, dict):
        return tuple(np.asarray(given[next(n for n in name if n in given)]).astype(np.int64) for name in names)
    fields = given[0].dtype.names
    return tuple(
        np.concatenate([part[next(n for n in name if n in fields)] for part in given]).astype(np.int64)
        for name in names
    )


def compare(law: Columns, given: Any) -> str:
    """Say how what a reader gives differs from ours."""
    theirs = columns(given)
    if theirs[0].size != law[0].size:
        return f"{theirs[0].size} events where we find {law[0].size}"
    wrong = {n: int((np.asarray(a, np.int64) != b).sum()) for n, a, b in zip("txyp", law, theirs, strict=True)}
    told = [f"{count} of {n}" for n, count in wrong.items() if count]
    return "the same" if not told else "differs in " + ", ".join(told)


def contenders(
    path: Path, name: str, size: tuple[int, int]
) -> tuple[dict[str, Callable[[], Any]], dict[str, str], int]:
    """Give all who read a file, whether they agree with us, and the number of events."""
    law = tuple(column.copy() for column in ours(path, name, size, compiled=True))
    found: dict[str, Callable[[], Any]] = {
        "ranvier C++": lambda: ours(path, name, size, compiled=True),
        "ranvier numpy": lambda: ours(path, name, size, compiled=False),
    }
    agree = {"ranvier numpy": compare(law, found["ranvier numpy"]())}
    assert agree["ranvier numpy"] == "the same"
    for peer, (read, formats) in PEERS.items():
        if name not in formats:
            continue
        try:
            agree[peer] = compare(law, read(path, name, size))
        except Exception as error:  # a peer that fails is told of
            agree[peer] = f"fails: {str(error)[:100]}"
            continue
        found[peer] = lambda read=read: read(path, name, size)
    if name in PARTED and THREADS > 1:  # the last in each turn
        found[TOGETHER] = lambda: ours(path, name, size, compiled=True, threads=THREADS)
        agree[TOGETHER] = compare(law, found[TOGETHER]())
        assert agree[TOGETHER] == "the same"
    return found, agree, law[0].size


def copy_gb_s() -> float:
    """Bytes read and written a second by a copy of 64 MiB, in GB, by the time of the process."""
    begin = time.process_time()
    np.copyto(_TO, _FROM)
    return 2 * COPY / (time.process_time() - begin) / 1e9


_FROM, _TO = np.ones(COPY, np.uint8), np.zeros(COPY, np.uint8)


def timed(calls: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[tuple[float, float]]], list[float]]:
    """Run all in turns: process and wall seconds of each, and the copy of each turn."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    copies = []
    for _ in range(rounds):
        copies.append(copy_gb_s())
        for name, call in calls.items():
            call()  # of two calls the second counts, for all: threads are awake, as between two operators of torch
            wall, cpu = time.perf_counter(), time.process_time()
            result = call()
            seen[name].append((time.process_time() - cpu, time.perf_counter() - wall))
            del result
        time.sleep(_REST)
    return seen, copies


def row(path: Path, name: str, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Measure one file."""
    calls, agree, num = contenders(path, name, size)
    for call in calls.values():
        call()
    seen, copies = timed(calls, rounds)
    bandwidth = statistics.median(copies)
    nanoseconds = {who: 1e9 * statistics.median(cpu for cpu, _ in times) / num for who, times in seen.items()}
    wall = {who: 1e9 * statistics.median(w for _, w in times) / num for who, times in seen.items()}
    limit = (path.stat().st_size / num + 14) / bandwidth
    peers = [who for who in calls if not who.startswith("ranvier")]
    return {
        "events": num,
        "bytes": path.stat().st_size,
        "ns_per_event": nanoseconds,
        "wall_ns_per_event": wall,
        "agreement": agree,
        "copy_gb_s": bandwidth,
        "limit_ns_per_event": limit,
        "fraction_of_limit": limit / nanoseconds["ranvier C++"],
        "times_best_peer": min(nanoseconds[who] for who in peers) / nanoseconds["ranvier C++"] if peers else None,
    } | (
        {
            "wall_fraction_of_limit": limit / wall[TOGETHER],
            "wall_times_best_peer": min(wall[who] for who in peers) / wall[TOGETHER] if peers else None,
        }
        if TOGETHER in calls
        else {}
    )


def main() -> None:
    """Measure all files and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/events.json"))
    parser.add_argument("--num", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    assert native.absence() is None, native.absence()
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for title, (path, name, size) in made(Path(folder), options.num).items():
            rows[title] = row(path, name, size, options.rounds)
            print(title, json.dumps({k: v for k, v in rows[title].items() if k != "wall_ns_per_event"}), flush=True)
    here = describe()
    environment = {key: here[key] for key in ("started", "python", "cpu", "num_cpus", "git")}
    versions = {name: version(name) for name in ("faery", "expelliarmus", "tonic", "spikingjelly", "numpy")}
    command = f"python benchmarks/events.py --num {options.num} --rounds {options.rounds}"
    result = {
        "command": command,
        "time": "ns_per_event: process time, one thread; wall_ns_per_event: wall time; medians",
        "threads": THREADS,
        "files": rows,
        "versions": versions,
        "environment": environment,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
