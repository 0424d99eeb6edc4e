"""An epoch of N-MNIST from its .bin files, through our loader and through tonic with torch's DataLoader, in turns.

    python benchmarks/loader.py [--out FILE.json]

The recordings of RANVIER_DATA, else those that come with the package, are written to a folder in the official layout.
An epoch reads every file, decodes it, makes 10 frames and stacks batches of 100, in an order drawn anew; all of it in
the page cache, on one thread, in one process and, for tonic, with two workers as well. For frames of equal count both
sides define the same frames if the number of events is a multiple of 10, so recordings are cut to one, and every batch
must agree before anything is timed; frames of equal time differ by the last events, which tonic leaves out.

The environment of tonic: ``crosscheck/environments.sh events``.

The physical limit is the time to copy the bytes of the files and to write the bytes of the batches, at the bandwidth
that was measured in the same minute. Where other jobs share the machine, the time of the processor that a contender
took says more than the time that passed; both are given.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ranvier.data import EqualCounts, Loader, NumWindows
from ranvier.data.formats import nmnist_bin
from ranvier.data.sets import nmnist

NUM, BATCH, ROUNDS = 10, 100, 7
OURS = {"counts": EqualCounts(num=NUM), "time": NumWindows(num=NUM)}


def written(folder: Path) -> int:
    """Write recordings in the official layout; return their bytes."""
    found, total = nmnist.load("train"), 0
    for index in range(len(found)):
        events, label = found[index]
        path = folder / "Train" / str(label) / f"{index + 1:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        nmnist_bin.write(path, events[: len(events) // NUM * NUM])
        total += path.stat().st_size
    return total


def ours(folder: Path, kind: str) -> Callable[[int], int]:
    """An epoch of our loader as a function of its number."""
    loader = Loader(samples=nmnist._from_folder(folder / "Train"), encode=OURS[kind], batch_size=BATCH)
    return lambda epoch: sum(len(targets) for _, targets in loader.batches(epoch))


def theirs(folder: Path, kind: str, workers: int) -> Callable[[int], int] | None:
    """An epoch of tonic's data set and transform in torch's DataLoader; None without tonic."""
    try:
        import tonic
    except ImportError as absent:
        print(f"tonic is left out: {absent}")
        return None
    bins = {"n_event_bins": NUM} if kind == "counts" else {"n_time_bins": NUM}
    framing = tonic.transforms.ToFrame(sensor_size=tonic.datasets.NMNIST.sensor_size, **bins)

    class NMNIST(tonic.datasets.NMNIST):
        """Theirs, which otherwise looks for all 60,000 recordings."""

        def _check_exists(self) -> bool:
            return True

    samples = NMNIST(save_to=str(folder.parent), train=True, transform=framing)

    def epoch(number: int) -> int:
        generator = torch.Generator().manual_seed(number)
        loader = torch.utils.data.DataLoader(
            samples, batch_size=BATCH, shuffle=True, generator=generator, num_workers=workers
        )
        return sum(len(targets) for _, targets in loader)

    return epoch


def same_frames(folder: Path) -> int:
    """Compare the frames of every recording with tonic's; return how many were compared."""
    import tonic

    framing = tonic.transforms.ToFrame(sensor_size=tonic.datasets.NMNIST.sensor_size, n_event_bins=NUM)
    found = nmnist._from_folder(folder / "Train")
    for index, clip in enumerate(found.clips):
        path = clip.path
        want = framing(tonic.io.read_mnist_file(str(path), dtype=tonic.datasets.NMNIST.dtype))
        assert np.array_equal(OURS["counts"](found[index][0]).numpy(), want), path
    return len(found)


def copy_bandwidth() -> float:
    """Bytes a second that a copy of 64 MiB writes, the best of some."""
    source = np.ones(1 << 26, np.uint8)
    target = source.copy()

    def once() -> float:
        start = time.perf_counter()
        target[:] = source
        return source.size / (time.perf_counter() - start)

    return max(once() for _ in range(9))


def times_tonic(medians: dict[str, float]) -> dict[str, float]:
    """How many times as long each of tonic's epochs takes as ours of the same frames."""
    return {
        name: round(value / medians["ranvier, " + name.split(", ")[1]], 1)
        for name, value in medians.items()
        if name.startswith("tonic")
    }


def main() -> None:
    """Time epochs in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "NMNIST"
        num_bytes = written(folder)
        contenders = {}
        for kind in OURS:
            contenders[f"ranvier, {kind}"] = ours(folder, kind)
            for workers in (0, 2):
                if (epoch := theirs(folder, kind, workers)) is not None:
                    contenders[f"tonic, {kind}, {workers} workers"] = epoch
        compared = same_frames(folder) if len(contenders) > len(OURS) else 0
        seen: dict[str, list[float]] = {name: [] for name in contenders}
        worked: dict[str, list[float]] = {name: [] for name in contenders}
        bandwidth = []
        for number in range(ROUNDS):
            bandwidth.append(copy_bandwidth())
            for name, epoch in contenders.items():
                start, cpu = time.perf_counter(), time.process_time()
                samples = epoch(number)
                seen[name].append(time.perf_counter() - start)
                worked[name].append(time.process_time() - cpu)
    medians = {name: statistics.median(times) for name, times in seen.items()}
    cpu_medians = {name: statistics.median(times) for name, times in worked.items() if "2 workers" not in name}
    values = samples * NUM * 2 * 34 * 34 * 4
    limit = (num_bytes + values) / statistics.median(bandwidth)
    results = {
        "command": " ".join(["python", *sys.argv]),
        "recordings": samples,
        "file_bytes": num_bytes,
        "batch_bytes": values,
        "frames compared with tonic, equal bit for bit": compared,
        "threads": 1,
        "rounds": ROUNDS,
        "copy_GBps": round(statistics.median(bandwidth) / 1e9, 2),
        "seconds an epoch, median": {name: round(value, 4) for name, value in medians.items()},
        "seconds of processor time an epoch, median": {name: round(value, 4) for name, value in cpu_medians.items()},
        "seconds, physical limit": round(limit, 4),
        "fraction of the limit": {kind: round(limit / medians[f"ranvier, {kind}"], 3) for kind in OURS},
        "times tonic": times_tonic(medians),
        "times tonic, processor time": times_tonic(cpu_medians),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
