"""A process that measures: reads tasks from standard input, a line of JSON each, and answers in lines of JSON.

It computes in one thread, so that figures do not depend on how many cores there are.
"""

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ranvier.cli.checks.task import Task, sized
from ranvier.core.claim import Claim
from ranvier.core.errors import DataError, MissingExtraError, RanvierError

SECONDS_BETWEEN_WORDS = 0.25
_ABSENT = (DataError, MissingExtraError)

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Measure until the input ends."""
    # What a system prints must not come between the answers: they keep the pipe, it gets the other one.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(1)

    def say(words: dict[str, Any]) -> None:
        answers.write(json.dumps(words, allow_nan=False) + "\n")

    for line in sys.stdin:
        _answer(Task(**json.loads(line)), say)


def _answer(task: Task, say: Say) -> None:
    try:
        claim = sized(import_module(task.module).SYSTEM.claim, task.scale)
        began = time.process_time()  # of one thread: what others do on the machine does not count
        figures = _measure(claim, task, say)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except _ABSENT as error:
        say({"absent": str(error)})
    except RanvierError as error:
        say({"error": f"{type(error).__name__}: {error}"})
    except Exception:
        say({"error": traceback.format_exc()})
    else:
        say({"figures": figures, "seconds": time.process_time() - began})


def _measure(claim: Claim, task: Task, say: Say) -> dict[str, float]:
    spoke, parent = -math.inf, os.getppid()

    def progress(fraction: float, words: str) -> None:
        nonlocal spoke
        if os.getppid() != parent:
            raise SystemExit  # whoever asked was killed
        if time.monotonic() - spoke >= SECONDS_BETWEEN_WORDS:
            say({"fraction": min(1.0, max(0.0, float(fraction))), "words": words})
            spoke = time.monotonic()

    config = claim.config if task.side == "claim" else claim.control
    figures = {name: float(value) for name, value in claim.measure(config, task.seed, progress).items()}
    bad = [name for name, value in figures.items() if not math.isfinite(value)]
    if bad:
        raise RanvierError(str(task), expected="finite figures", got=f"{bad[0]}={figures[bad[0]]}")
    return figures


if __name__ == "__main__":
    main()
