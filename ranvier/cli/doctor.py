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

from ranvier.cli.screen import Screen, table
from ranvier.core.errors import DataError, RanvierError

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
    """Say what works on this machine, and how to mend the rest.

    Looks at Python, torch, kernels, GPU, data and folders. Exit code 1 if something is broken.
    """
    findings = [finding for look in _LOOKS for finding in look()]
    screen = Screen.open(as_json=as_json)
    shown = table("", "state", "seen, and how to mend it")
    for line in findings:
        shown.add_row(line.what, Text(line.state, _STYLES[line.state]), line.words)
        if line.mend:
            shown.add_row("", "", Text(f"-> {line.mend}", "bold"))
    screen.show(shown)
    screen.give([asdict(line) for line in findings])
    if any(line.state == "broken" for line in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    yield Finding("python", "good", f"{platform.python_version()} on {platform.machine()} {platform.system()}")


def _torch() -> Iterator[Finding]:
    import torch

    threads, cores = torch.get_num_threads(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    words = f"{torch.__version__}, {_counted(threads, 'thread')} on {_counted(cores or os.cpu_count() or 1, 'core')}"
    if cores and threads > cores:
        yield Finding(
            "torch", "slow", words, f"Set OMP_NUM_THREADS={cores}: more threads than cores wait for each other."
        )
    else:
        yield Finding("torch", "good", words)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cpu() -> Iterator[Finding]:
    from ranvier.kernels.cpu import machine

    absence = machine.absence()
    if absence:
        mend = "Works without, slower. Use a wheel, or pip install ranvier anew with a C++ compiler and cmake at hand."
        yield Finding("C++ kernel", "slow", absence, mend)
        return

    best, *others = machine.EXTENSION.module("doctor").variants()
    words = f"runs {_SETS.get(best, best)}" + (f" (this processor also has {', '.join(others)})" if others else "")
    if _differs("cpu"):
        mend = 'Please report it with this output; until then use executor="reference".'
        yield Finding("C++ kernel", "broken", f"{words}, but a trial run differs from the plain reference", mend)
    else:
        yield Finding("C++ kernel", "good", f"{words}; a trial run gives the spikes of the plain reference")


def _extensions() -> Iterator[Finding]:
    """Look at the other compiled modules; each has a plain twin."""
    from ranvier.data import native as passes
    from ranvier.data.formats import native as decoders
    from ranvier.kernels.recurrent import loop
    from ranvier.kernels.sparse import native as events

    parts = {
        "recurrent loop": loop.EXTENSION,
        "event-driven kernel": events.EXTENSION,
        "event decoders": decoders.EXTENSION,
        "event passes": passes.EXTENSION,
    }
    for what, extension in parts.items():
        if (absence := extension.absence()) is None:
            yield Finding(what, "good", f"{extension.what}, compiled")
        else:
            yield Finding(what, "slow", absence, f"Works without, slower. {extension.mend}")


_SETS = {"avx512": "AVX-512", "avx2": "AVX2", "baseline": "the baseline instructions of its processor family"}


def _differs(executor: Literal["cpu", "gpu"]) -> bool:
    """Run a few neurons on an executor and on the reference, and tell whether any spike differs."""
    import torch

    from ranvier.kernels.dispatch import run
    from ranvier.kernels.plan import plan
    from ranvier.neurons import LIF

    current_TB = torch.linspace(0, 3, 400).reshape(40, 10).to("cuda" if executor == "gpu" else "cpu")
    planned = plan(LIF(tau_m=5.0))
    ours, law = (run(planned, current_TB, executor=e).outputs["spikes"] for e in (executor, "reference"))
    return not (torch.equal(ours, law) and bool(law.any()))


def _gpu() -> Iterator[Finding]:
    import torch

    from ranvier.kernels import gpu

    absence = gpu.absence()
    if absence is None and torch.cuda.is_available():
        words = f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory >> 30} GiB"
        if _differs("gpu"):
            mend = 'Please report it with this output; until then use executor="reference".'
            yield Finding("GPU kernel", "broken", f"{words}; a trial run differs from the plain reference", mend)
        else:
            yield Finding("GPU kernel", "good", f"{words}; a trial run gives the spikes of the plain reference")
    elif absence is None:
        yield Finding("GPU kernel", "good", "Triton interprets kernels on the processor (TRITON_INTERPRET=1)")
    elif torch.version.cuda is None:
        words = f"{absence}; this torch is built without CUDA"
        mend = "Optional: for a CUDA GPU, install a CUDA build of torch and ranvier[gpu]."
        yield Finding("GPU kernel", "absent", words, mend)
    else:
        mend = "Optional: needs a CUDA GPU with its driver, and `pip install ranvier[gpu]`."
        yield Finding("GPU kernel", "absent", absence, mend)


def _data() -> Iterator[Finding]:
    from ranvier.data.places import VARIABLE, cache_folder
    from ranvier.data.sets.catalogue import place, sources

    known = sources()
    try:
        found = {name: place(source) for name, source in known.items()}
    except DataError as error:
        yield Finding("data", "broken", f"{error.where}: {error.got}", error.mend)
        return
    named = os.environ.get(VARIABLE)
    words = f"{VARIABLE}={named}" if named else f"{VARIABLE} is not set"
    yield Finding("data folders", "good", f"{words}; downloads go to {cache_folder()}")
    others = [name for name, where in found.items() if not where and known[name].by_hand]
    for name, where in found.items():
        if name not in others:
            yield _set(name, where, labelled="test" in known[name].splits)
    if others:
        yield Finding("data: others", "absent", ", ".join(others), "ranvier data fetch NAME says where to get one.")


def _set(name: str, where: str, *, labelled: bool) -> Finding:
    """Read the test split of a data set, if it is anywhere and has one."""
    from ranvier.data import sets

    what = f"data: {name}"
    mend = f"ranvier data fetch {name}"
    if not where:
        return Finding(what, "absent", "nowhere", mend)
    if not labelled:
        return Finding(what, "good", where)
    try:
        count = len(getattr(sets, name).load("test"))
    except DataError:
        return Finding(what, "absent", f"{where} has no files of the test split", mend)
    except RanvierError as error:
        return Finding(what, "broken", f"{error.where}: {error.got}", f"Delete the file, then {mend}")
    return Finding(what, "good", f"{where}: {count:,} test samples")


def _folders() -> Iterator[Finding]:
    for what, folder in (("runs folder", Path("runs")), ("temporary folder", Path(tempfile.gettempdir()))):
        home = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if home.is_dir() and os.access(home, os.W_OK | os.X_OK):
            yield Finding(what, "good", f"{folder} is writable")
        else:
            yield Finding(what, "broken", f"{home} is not writable", "Mend its permissions, or use --runs elsewhere.")


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _torch, _cpu, _extensions, _gpu, _data, _folders)
