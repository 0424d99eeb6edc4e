"""Kills trainings at random instants and resumes them; run by test_restart.py as a program of its own.

One process imports torch once and forks every training, so that a kill costs milliseconds. It never computes anything
itself: a pool of threads would not survive the fork. Prints what it saw as JSON.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
import torch._dynamo  # torch loads it late, at the first optimiser: once here, not once in every child

sys.path.insert(0, str(Path(__file__).parent))
from conftest import build, trainer

from ranvier.runs import Run
from ranvier.runs.files import render
from ranvier.train import EarlyStop, Saving

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FINISHED, INTERRUPTED = 0, 3


def train(folder: Path) -> int:
    """Train in a run folder, or go on there; leave the final weights beside it."""
    torch.set_num_threads(1)
    is_new = not (folder / "config.json").exists()
    run = Run.create(folder, name="kill", config={}) if is_new else Run.open(folder)
    outcome = trainer(
        net := build(),
        epochs=3,
        ema=0.9,
        accumulate=2,
        clip=1.0,
        callbacks=(EarlyStop(patience=2),),
        saving=Saving(steps=1, seconds=None, log_steps=1),
    ).fit(run)
    if outcome.state == "interrupted":
        return INTERRUPTED
    (folder / "final.json").write_bytes(render({name: t.double().tolist() for name, t in net.state_dict().items()}))
    return FINISHED


def fork(folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = train(folder)
    except KeyboardInterrupt:  # Ctrl-C before the trainer listens, or a second one
        code = INTERRUPTED
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def final(folder: Path) -> tuple[bytes, list[dict[str, object]]]:
    times = ("time", "steps_per_s")
    rows = [{k: v for k, v in row.items() if k not in times} for row in Run.open(folder).metrics()]
    return (folder / "final.json").read_bytes(), rows


def wait_for_writing(folder: Path) -> None:
    """Wait until a checkpoint is being written, so that some kills are sure to hit one; not for long."""
    until = time.monotonic() + 0.1
    while time.monotonic() < until and not any(folder.glob("checkpoints/.step-*")):
        pass


def main() -> None:
    """Kill until there were enough kills, each followed by a resume that ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    began = time.monotonic()
    whole = options.folder / "whole"
    assert os.waitpid(fork(whole), 0)[1] == 0
    seconds = time.monotonic() - began
    expected = final(whole)
    seen = {
        "kills": 0,
        "trainings": 0,
        "identical": 0,
        "identical_resumes": 0,
        "writing": 0,
        "resumed": 0,
        "by": {},
        "faults": [],
    }
    while seen["kills"] < options.kills and not seen["faults"]:
        folder = options.folder / f"run-{seen['trainings']}"
        killed: list[str] = []  # by what; each is followed by a resume
        while True:
            child = fork(folder)
            number = rng.choice(SIGNALS)
            time.sleep(rng.expovariate(1 / (0.3 * seconds)))
            if number == signal.SIGKILL and rng.random() < 0.4:
                wait_for_writing(folder)
            os.kill(child, number)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status == FINISHED:
                break
            if status not in (-number, INTERRUPTED):
                seen["faults"].append(f"exit status {status} after {number.name}")
                break
            killed.append(number.name)
            seen["kills"] += 1
            seen["by"][number.name] = seen["by"].get(number.name, 0) + 1
            seen["writing"] += bool(list(folder.glob("checkpoints/.step-*")))
            seen["resumed"] += bool(list(folder.glob("checkpoints/step-*")))
        seen["trainings"] += 1
        same = not seen["faults"] and final(folder) == expected
        seen["identical"] += same
        seen["identical_resumes"] += same and len(killed)
    about = {"seed": options.seed, "seconds": round(time.monotonic() - began, 1), "steps": expected[1][-1]["step"]}
    sys.stdout.write(json.dumps({**seen, **about}))


if __name__ == "__main__":
    main()
