"""A crew of processes that measure side by side, one thread each."""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from ranvier.cli.checks.task import Measurement, Task

_COMMAND = (sys.executable, "-m", "ranvier.cli.checks.worker")
_SECONDS_TO_LEAVE = 5.0

Progress = Callable[[Task, float, str], None]


@dataclass(slots=True, eq=False)
class _Member:
    """A process, what it is at, and the part of a line that has come so far."""

    process: subprocess.Popen[bytes]
    task: Task | None = None
    begun: bytearray = field(default_factory=bytearray)

    def give(self, task: Task) -> None:
        self.task = task
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        self.process.stdin.flush()


def measure(tasks: Sequence[Task], *, jobs: int, progress: Progress) -> Iterator[tuple[Task, Measurement]]:
    """Measure tasks, ``jobs`` at a time, and yield each as it is done.

    A process that dies takes its task with it, not the others: the task ends in an error that names the signal or the
    exit code. Processes end when the iterator is closed.
    """
    waiting = list(reversed(tasks))
    with _crew(min(jobs, len(tasks))) as crew, selectors.DefaultSelector() as selector:
        for member in crew:
            _enlist(selector, member, waiting)
        while any(member.task for member in crew):
            for key, _ in selector.select():
                member = key.data
                task, came = member.task, os.read(key.fd, 1 << 16)
                if not came:
                    selector.unregister(member.process.stdout)
                    crew.remove(member)
                    yield task, Measurement(figures={}, error=_death(member))
                    if waiting:
                        crew.append(_start())
                        _enlist(selector, crew[-1], waiting)
                    continue
                for words in _lines(member, came):
                    if "fraction" in words:
                        progress(task, words["fraction"], words["words"])
                        continue
                    member.task = None
                    if waiting:
                        member.give(waiting.pop())
                    yield task, Measurement(figures=words.pop("figures", {}), **words)


def _start() -> _Member:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return _Member(
        subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, env=environment)
    )


def _enlist(selector: selectors.BaseSelector, member: _Member, waiting: list[Task]) -> None:
    assert member.process.stdout is not None
    selector.register(member.process.stdout, selectors.EVENT_READ, member)
    member.give(waiting.pop())


def _lines(member: _Member, came: bytes) -> Iterator[dict[str, Any]]:
    member.begun += came
    *whole, rest = bytes(member.begun).split(b"\n")
    member.begun = bytearray(rest)
    for line in whole:
        yield json.loads(line)


def _death(member: _Member) -> str:
    code = member.process.wait()
    _close(member)
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"the process that measured it died ({how}); out of memory, perhaps: try --jobs 1"


@contextmanager
def _crew(size: int) -> Iterator[list[_Member]]:
    crew = [_start() for _ in range(size)]
    try:
        yield crew
    finally:
        for member in crew:
            member.process.terminate() if member.task else _dismiss(member)
        for member in crew:
            try:
                member.process.wait(_SECONDS_TO_LEAVE)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            _close(member)


def _close(member: _Member) -> None:
    for pipe in (member.process.stdin, member.process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _dismiss(member: _Member) -> None:
    assert member.process.stdin is not None
    member.process.stdin.close()
