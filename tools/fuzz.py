"""Break event files under AddressSanitizer and UndefinedBehaviorSanitizer; write docs/results/fuzz.json. Minutes.

Usage: python tools/fuzz.py [--mutations 1000000] [--seed 1] [--formats evt2 dat ...] [--out FILE] [--build FOLDER]

For each format, ``csrc/formats/fuzz.cpp`` decodes mutated files whole, in chunks and on several threads, with every
instruction set, and compares; then Clang's libFuzzer does so guided by coverage, where Clang is installed; those that
are decoded in parts go through ThreadSanitizer too; then the plain build shows how much memory it takes. Exit code 1 if
anything crashed, raced, differed or took longer than 2 s per MB. ``--races`` does nothing but the part of threads.
"""

import argparse
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.data import Events
from ranvier.data.formats import aedat4, unpack
from ranvier.data.formats.registry import by_name
from ranvier.runs.environment import describe

PROJECT = Path(__file__).resolve().parent.parent
FORMATS = ("evt2", "evt21", "evt3", "dat", "aedat2", "aedat3", "aedat4", "nmnist_bin", "es")
PARTED = ("evt2", "dat", "aedat4", "nmnist_bin")
HANG = 2.0  # seconds per MB
MEMORY = 64 << 20  # bytes, plus four times the file
CORPUS = PROJECT / "tests" / "data" / "formats" / "corpus"


def build(folder: Path, *options: str) -> Path:
    """Build the driver."""
    folder.mkdir(parents=True, exist_ok=True)
    make = ["cmake", "-S", str(PROJECT), "-B", str(folder), "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *options]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder), "--target", "fuzz", "-j2"], check=True, stdout=subprocess.DEVNULL)
    return folder / "fuzz"


def clang() -> list[str]:
    """Return the options that choose Clang; none where it is not installed."""
    found = next((path for name in ("clang++", "clang++-14", "clang++-19") if (path := shutil.which(name))), None)
    return [f"-DCMAKE_CXX_COMPILER={found}"] if found else []


def build_for_races(folder: Path) -> Path:
    """Build the driver with ThreadSanitizer, by Clang where there is one: GCC 12's breaks AVX-512."""
    return build(folder / ("thread-clang" if clang() else "thread"), "-DRANVIER_SANITIZE=thread", *clang())


def seeds(name: str, folder: Path) -> list[Path]:
    """Write small files of a format without their headers."""
    r = np.random.default_rng(0)
    height, width = {"aedat2": (180, 240), "nmnist_bin": (34, 34)}.get(name, (48, 64))
    found = []
    for number, num in enumerate((12, 40)):
        t = np.cumsum(r.integers(0, 4000, num) * (r.random(num) < 0.6))
        x, y, p = r.integers(0, width, num), r.integers(0, height, num), r.integers(0, 2, num)
        path = folder / f"{name}-{number}"
        known = by_name(name)
        known.write(path, Events.of(t, x, y, p, size=(height, width)))
        start = known.open(path).start.position
        path.write_bytes(path.read_bytes()[start:])
        found.append(path)
    if name == "aedat4":
        for number, packed in enumerate((b"".join(_packets(48, 3, r)), b"".join(_packets(24, 9, r)))):
            found.append(folder / f"aedat4-packed-{number}")
            found[-1].write_bytes(packed)
    if name == "evt3":
        words = [
            8 << 12 | 5,
            6 << 12 | 9,
            7,
            *[w for k in range(6) for w in (3 << 12 | 40 * k, 4 << 12 | 0xFFF, 5 << 12 | 0x81)],
        ]
        found.append(folder / "evt3-vectors")
        found[-1].write_bytes(np.array(words, "<u2").tobytes())
    return [*found, *sorted(path for path in CORPUS.glob(f"{name}-*") if path.is_file())]


def _packets(num: int, count: int, r: np.random.Generator) -> Iterator[bytes]:
    """Give packets of ``num`` events packed by LZ4 in each of the ways that a frame may be, and one of samples."""
    for number in range(count):
        t = np.cumsum(r.integers(0, 2, num))
        events = Events.of(t, r.integers(0, 9, num), r.integers(0, 9, num), r.integers(0, 2, num), size=(48, 64))
        body = aedat4.to_bytes(events)[len(aedat4.to_bytes(events[:0])) + 8 :]
        if number % 3 == 2:
            body = body[:8] + b"IMUS" + body[12:]
        ways = {"store_size": number % 2 == 0, "block_linked": number % 4 < 2}
        sums = {"content_checksum": number % 3 == 0, "block_checksum": number % 5 == 0}
        packed = bytes(unpack.library("lz4.frame").compress(body, **ways, **sums))
        yield struct.pack("<ii", number % 3 % 2, len(packed)) + packed


def run(
    driver: Path, name: str, mutations: int, seed: int, files: list[Path], *, races: bool = False
) -> dict[str, Any]:
    """Run the driver's own loop; what went wrong is told as text."""
    command = [str(driver), name, str(mutations), str(seed), *map(str, files)]
    # The stack of every allocation would take most of the time.
    quick = {**os.environ, "ASAN_OPTIONS": "malloc_context_size=0:quarantine_size_mb=8"}
    quick |= {"RANVIER_RACES": "1", "TSAN_OPTIONS": "halt_on_error=1"} if races else {}
    done = subprocess.run(command, capture_output=True, text=True, env=quick)
    if done.returncode:
        return {"mutations": mutations, "crash": done.stderr[-2000:] or f"signal {-done.returncode}"}
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def guided(driver: Path, name: str, runs: int, seed: int, files: list[Path], folder: Path) -> dict[str, Any]:
    """Run libFuzzer; its corpus begins with the seeds, each behind four bytes that choose chunks and instructions."""
    corpus = folder / f"{name}-corpus"
    corpus.mkdir()
    for number, path in enumerate(files):
        for salt in range(8):
            (corpus / f"{number}-{salt}").write_bytes(salt.to_bytes(4, "little") + path.read_bytes())
    command = [
        str(driver),
        str(corpus),
        f"-runs={runs}",
        f"-seed={seed}",
        "-max_len=2048",
        "-timeout=10",
        f"-artifact_prefix={folder}/{name}-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RANVIER_FORMAT": name})
    if done.returncode:
        return {"runs": runs, "crash": done.stderr[-2000:]}
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)[-1]
    return {"runs": runs, "edges": int(last[0]), "features": int(last[1]), "corpus": int(last[2])}


def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run every format."""
    plain = build(options.build / "plain", "-DRANVIER_SANITIZE=bounds")
    checked = build(options.build / "gcc", "-DRANVIER_SANITIZE=address,undefined")
    fuzzer = None
    if clang():
        options_of_clang = ("-DRANVIER_SANITIZE=address,undefined", "-DRANVIER_LIBFUZZER=ON", *clang())
        fuzzer = build(options.build / "clang", *options_of_clang)
    threads = build_for_races(options.build)
    found = {}
    for name in options.formats:
        files = seeds(name, folder)
        begin = time.time()
        row = {"seeds": len(files), **run(checked, name, options.mutations, options.seed, files)}
        if fuzzer is not None:
            row["guided"] = guided(fuzzer, name, options.runs, options.seed, files, folder)
        if name in PARTED:
            row["threads"] = run(threads, name, options.mutations // 50, options.seed, files, races=True)
        row["peak_memory_bytes"] = peak(plain, name, options.seed, files)
        row |= {
            "seed": options.seed,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - begin),
        }
        found[name] = row
        print(name, json.dumps(row)[:300], flush=True)  # noqa: T201
        write(options, found)
    return found


def peak(driver: Path, name: str, seed: int, files: list[Path]) -> int:
    """Give the most memory that a process of the plain build takes, in bytes."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    command = [sys.executable, "-c", code, str(driver), name, "20000", str(seed), *map(str, files)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def raced(options: argparse.Namespace, folder: Path) -> bool:
    """Run the formats that are decoded in parts under ThreadSanitizer, and say whether all went well."""
    driver = build_for_races(options.build)
    rows = {
        name: run(driver, name, options.mutations, options.seed, seeds(name, folder), races=True)
        for name in PARTED
        if name in options.formats
    }
    print(json.dumps(rows, indent=2))  # noqa: T201
    return not any("crash" in row for row in rows.values())


def holds(found: dict[str, Any]) -> bool:
    """Say whether all is as it must be."""
    return all(
        "crash" not in row
        and "crash" not in row.get("guided", {})
        and "crash" not in row.get("threads", {})
        and row["slowest_s_per_mb"] < HANG
        and row["peak_memory_bytes"] < MEMORY
        for row in found.values()
    )


def main() -> int:
    """Build, run, write and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=100_000, help="of libFuzzer")
    parser.add_argument("--seed", type=int, default=datetime.now(UTC).toordinal())
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "results" / "fuzz.json")
    parser.add_argument("--build", type=Path, default=PROJECT / "build" / "fuzz")
    parser.add_argument("--races", action="store_true", help="only the threads; writes nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.races:
            return 0 if raced(options, Path(folder)) else 1
        return 0 if holds(measured(options, Path(folder))) else 1


def write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Write what was seen so far, beside what an earlier run saw of other formats."""
    here = describe()
    before = json.loads(options.out.read_text())["formats"] if options.out.exists() else {}
    found = before | found
    environment = {key: here[key] for key in ("started", "python", "versions", "cpu", "num_cpus", "git")}
    command = f"python tools/fuzz.py --mutations {options.mutations} --runs {options.runs} --seed {options.seed}"
    result = {
        "holds": holds(found),
        "command": command,
        "sanitizers": "address, undefined; thread where parts are decoded at once",
        "formats": found,
        "environment": environment,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
