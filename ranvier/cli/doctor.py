"""``ranvier doctor``: what works on this machine, what does not, and how to mend it."""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from ranvier.cli.data import place, sources
from ranvier.cli.screen import Screen, table
from ranvier.core.errors import DataError

State = Literal["good", "slow", "absent", "broken"]
_STYLES = {"good": "green", "slow": "yellow", "absent": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Args: what: the part that was looked at. state: "broken" only where ranvier cannot work. words: what was seen.
        mend: what to do; empty if nothing is to be done.
    """

    what: str
    state: State
    words: str
    mend: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False) -> None:
    """Look at Python, torch, kernels, GPU, data and folders, and say how to mend what is amiss."""
    findings = [finding for look in _LOOKS for finding in look()]
    screen = Screen.open(as_json=as_json)
    shown = table("", "state", "seen", "mend")
    for line in findings:
        shown.add_row(line.what, Text(line.state, _STYLES[line.state]), Text(line.words), Text(line.mend))
    screen.show(shown)
    screen.give([asdict(line) for line in findings])
    if any(line.state == "broken" for line in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    yield Finding("python", "good", f"{platform.python_version()} on {platform.machine()} {platform.system()}")


def _torch() -> Iterator[Finding]:
    import torch

    threads, cores = torch.get_num_threads(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    words = f"{torch.__version__}, {threads} threads on {cores or os.cpu_count()} cores"
    if cores and threads > cores:
        yield Finding(
            "torch", "slow", words, f"Set OMP_NUM_THREADS={cores}: more threads than cores wait for each other."
        )
    else:
        yield Finding("torch", "good", words)


def _kernels() -> Iterator[Finding]:
    from ranvier.kernels.cpu import machine
    from ranvier.kernels.gpu import launch

    absence = machine.absence()
    if absence:
        mend = (
            "pip install ranvier anew with a C++ compiler and cmake at hand, or use a wheel; it works without, slower."
        )
        yield Finding("C++ kernel", "slow", absence, mend)
    else:
        yield Finding("C++ kernel", "good", str(getattr(machine, "describe", lambda: "found")()))
    absence = launch.absence()
    if absence:
        yield Finding("GPU kernel", "absent", absence, "Needs a CUDA GPU and `pip install ranvier[gpu]`; optional.")
    else:
        yield Finding("GPU kernel", "good", "Triton and a GPU are here")


def _data() -> Iterator[Finding]:
    from ranvier.data.places import VARIABLE, cache_folder

    try:
        found = {source.name: place(source) for source in sources().values()}
    except DataError as error:
        yield Finding("data", "broken", f"{error.where}: {error.got}", error.mend)
        return
    yield Finding("data folders", "good", f"{VARIABLE}={os.environ.get(VARIABLE, '')}, cache {cache_folder()}")
    for name, where in found.items():
        yield Finding(
            f"data: {name}",
            "good" if where else "absent",
            where or "nowhere",
            "" if where else f"ranvier data fetch {name}",
        )


def _folders() -> Iterator[Finding]:
    for what, folder in (("runs folder", Path("runs")), ("temporary folder", Path(tempfile.gettempdir()))):
        home = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if home.is_dir() and os.access(home, os.W_OK | os.X_OK):
            yield Finding(what, "good", f"{folder} is writable")
        else:
            yield Finding(what, "broken", f"{home} is not writable", "Mend its permissions, or use --runs elsewhere.")


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _torch, _kernels, _data, _folders)
