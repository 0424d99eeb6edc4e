"""Peak memory of a training step of a convolutional network: ours in several ways, torch's own means, a peer.

    python benchmarks/memory.py [--peers PYTHON]

Each contender trains in a process of its own: two steps to warm up, then what was freed is given back to the system
(our idle buffers too), the resident memory is noted, and its high-water mark over the next step less that is the figure.
It is taken twice: "needed" with malloc told to give large tensors back as soon as they die
(MALLOC_MMAP_THRESHOLD_=65536), which repeats to the MiB and is what the step holds at once, idle buffers of ours
included; "resident" with malloc as it is, which keeps part of what was freed, differently each time.

Weights, their gradients of earlier steps and the optimiser's state are in the baseline. PYTHON is an interpreter that
has SpikingJelly; it borrows everything else from the one that runs this. Writes memory.json and the table of
docs/speed.md. Linux only.
"""

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
CASE = {"T": 4, "B": 16, "c": 64}
STEPS = 5
WAYS = ("needed", "resident")
PEER = "SpikingJelly"
NAMES = (
    "ours", 'ours, spikes="bits"', "ours, compact_spikes()", "ours, bfloat16", "ours, bfloat16, compact_spikes()",
    "without neurons", "torch loop", PEER,
)  # fmt: skip
MARKS = "<!-- memory -->", "<!-- /memory -->"
MIB = 1024 * 1024


def main() -> None:
    """Measure all contenders, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="an interpreter that has SpikingJelly")
    parser.add_argument("--child", choices=NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child)))
        return
    rows = []
    for name in NAMES:
        if name == PEER and not options.peers:
            continue
        python = options.peers if name == PEER else sys.executable
        row: dict[str, object] = {"contender": name}
        for way in WAYS:
            row |= {f"{way}_mib": in_child(python, name, way)}
        rows.append(row)
        print(row, flush=True)
    import torch

    result = {
        "date": date.today().isoformat(), "cpu": cpu(), "torch": torch.__version__, "threads": 1, "case": CASE,
        "rows": rows,
    }  # fmt: skip
    (HERE / "memory.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE.parent / "docs" / "speed.md"
    head, rest = page.read_text().split(MARKS[0])
    page.write_text(head + MARKS[0] + "\n" + table(result) + "\n" + MARKS[1] + rest.split(MARKS[1])[1])


def in_child(python: str, name: str, way: str) -> list[float]:
    """Measure one contender in another process; returns MiB, one figure a step."""
    paths = os.pathsep.join((str(HERE.parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    if way == "needed":
        environment["MALLOC_MMAP_THRESHOLD_"] = "65536"
    command = [python, str(HERE / "memory.py"), "--child", name]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(name: str) -> list[float]:
    """Take the peaks of several steps of one contender in this process."""
    import torch

    torch.set_num_threads(1)
    step = makers()[name]()
    step()
    step()
    return [round(peak(step), 1) for _ in range(STEPS)]


def makers() -> dict[str, Callable[[], Callable[[], object]]]:
    """Return how to make the training step of each contender."""
    import torch

    from ranvier.cli.bench import conv_training

    known = conv_training.contenders(CASE)
    ours, small = partial(conv_training.ours, CASE, torch.float32), partial(conv_training.ours, CASE, torch.bfloat16)
    made = {
        'ours, spikes="bits"': lambda: ours(spikes="bits"),
        "ours, compact_spikes()": lambda: ours(compact=True),
        "ours, bfloat16, compact_spikes()": lambda: small(compact=True),
    }
    return {
        name: partial(lambda make: make().operations["training"], make) for name, make in (dict(known) | made).items()
    }


def peak(step: Callable[[], object]) -> float:
    """Return by how many MiB the high-water mark of resident memory over a step exceeds what was there before."""
    from ranvier.kernels import buffer_limit, set_buffer_limit

    limit = buffer_limit()
    set_buffer_limit(0)
    set_buffer_limit(limit)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    step()
    return (status("VmHWM") - before) / 1024


def status(key: str) -> int:
    """Read a figure of this process, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def cpu() -> str:
    """Name the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def table(result: dict[str, object]) -> str:
    """Write the figures as a table, medians over steps; ratios to the peer where it was there."""
    rows: list[dict[str, list[float]]] = result["rows"]  # type: ignore[assignment] # as `main` made it
    middle = {str(row["contender"]): [statistics.median(row[f"{way}_mib"]) for way in WAYS] for row in rows}
    lines = [
        f"{result['date']}, {result['cpu']}, torch {result['torch']}, 1 thread; MiB, medians of {STEPS} steps.", "",
        "| | needed | resident | of SpikingJelly's (needed, resident) |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, figures in middle.items():
        ratios = (f"{a / b:.0%}" for a, b in zip(figures, middle[PEER], strict=True)) if PEER in middle else ()
        cells = [f"{value:.0f}" for value in figures]
        lines.append(
            f"| {name.replace('compact_spikes()', '`compact_spikes()`')} | {' | '.join(cells)} | {', '.join(ratios)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
