"""The command: makes contenders, checks that they agree, lets them take turns, and shows the least beside each."""

import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ranvier import systems
from ranvier.cli.bench.contest import contest
from ranvier.cli.files import write_json
from ranvier.cli.screen import Screen, Watch, table
from ranvier.core.errors import ConfigError, RanvierError, UnknownNameError

if TYPE_CHECKING:
    from ranvier.cli.bench.workload import Case, Least, Made, Workload
    from ranvier.measure.turns import Timing

WORKLOADS = {
    "lif-layer": "lif_layer",
    "conv-training": "conv_training",
    "recurrent": "recurrent",
    "streaming": "streaming",
}
OURS = "ours"
Row = dict[str, Any]


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKLOAD | SYSTEM]...", help="Default: all workloads. Or systems, to be compared."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Samples of each contender.")] = 9,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch and of our kernels.")] = None,
    small: Annotated[bool, typer.Option("--small", help="Only the smallest case of each workload.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the JSON goes too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=VALUE", help="Of a comparison: task.*, train.*, neuron, seeds."),
    ] = None,
    neurons: Annotated[str, typer.Option(help="Of a comparison: such as lif,plif,if; each in turn.")] = "",
    codes: Annotated[str, typer.Option(help="Of a comparison: such as direct,rate,ttfs,phase; each in turn.")] = "",
) -> None:
    """Time ranvier beside its peers, or compare systems.

    Workloads run beside torch and the peers that are installed; systems are trained under one recipe.

    They take turns; the physical limit is measured in the same minute. Peers that are not installed are left out.
    Contenders whose meaning is the same must agree in spikes and gradients before they are timed. Systems that
    classify still images (`ranvier bench spikformer spikformer-v2`) are trained on the same images by the same recipe:
    accuracy against energy; `--neurons lif,plif` and `--codes direct,rate` let each compete with each of them.
    """
    import torch

    compared = bool(names) and any(name in systems.names() for name in names or ())
    for name in names or ():
        known = systems.names() if compared else WORKLOADS
        if name not in known:
            raise UnknownNameError.among("ranvier bench", name, known, kind="system" if compared else "workload")
    if (options or neurons or codes) and not compared:
        raise ConfigError("ranvier bench --set", expected="systems to compare", got="workloads, which have no options")
    if threads is not None:
        torch.set_num_threads(threads)
    screen = Screen.open(as_json=as_json)
    if compared:
        found = contest(names or (), options or (), screen, neurons=neurons, codes=codes)
        result = {**found, "environment": _environment()}
        if out is not None:
            write_json(out, result)
        screen.give(result)
        return
    with screen.watch("bench") as watch:
        before = _machine(watch)
        rows = [row for name in names or WORKLOADS for row in _workload(name, rounds, watch, small=small)]
        after = _machine(watch)  # a noisy neighbour may have disturbed either
        machine = {name: max(value, after[name]) for name, value in before.items()}
    for row in rows:
        row["least_s"] = _least_s(row, machine)
    for row in rows:
        _show(row, screen)
    result = {"machine": machine, "rows": rows, "environment": _environment()}
    if out is not None:
        write_json(out, result)
    screen.give(result)


def _machine(watch: Watch) -> dict[str, float]:
    import torch

    from ranvier.measure.limits import copy_bandwidth, product_rate

    watch(0.0, "what the machine can do")
    return {
        "threads": torch.get_num_threads(),
        "copy_gb_s": copy_bandwidth() / 1e9,
        "float32_gflop_s": product_rate() / 1e9,
        "bfloat16_gflop_s": product_rate(torch.bfloat16) / 1e9,
    }


def _workload(name: str, rounds: int, watch: Watch, *, small: bool) -> list[Row]:
    workload = cast("Workload", import_module(f"ranvier.cli.bench.{WORKLOADS[name]}"))
    cases = workload.CASES[:1] if small else workload.CASES
    return [row for case in cases for row in _case(workload, case, rounds, watch)]


def _case(workload: "Workload", case: "Case", rounds: int, watch: Watch) -> list[Row]:
    from ranvier.measure.turns import take_turns

    words = f"{workload.NAME} {_words(case)}"
    watch(0.0, f"{words}: making contenders")
    made = _make(workload, case)
    disagree = _disagree(made)
    rows = []
    for operation in next(iter(made.contenders.values())).operations:
        runs = {name: c.operations[operation] for name, c in made.contenders.items() if name not in disagree}
        timings = take_turns(runs, rounds=rounds, tell=lambda share: watch(share, f"{words}: {operation}"))  # noqa: B023 # called at once
        least = workload.least(case, operation)
        rows.append(
            {
                "workload": workload.NAME, "case": dict(case), "operation": operation, "unit": least.unit,
                "count": least.count, "bytes": least.bytes,
                "float_operations": least.float_operations, "dtype": least.dtype,
                "contenders": {name: _figures(t, timings[OURS], least) for name, t in timings.items()},
                "differs": {name: c.differs for name, c in made.contenders.items() if c.differs},
                "absent": made.absent | disagree,
            }
        )  # fmt: skip
    return rows


def _make(workload: "Workload", case: "Case") -> "Made":
    from ranvier.cli.bench.workload import Made

    made = Made()
    for name, make in workload.contenders(case).items():
        try:
            made.contenders[name] = make()
            for run in made.contenders[name].operations.values():
                run()
        except RanvierError:
            raise
        except ImportError as error:
            made.contenders.pop(name, None)
            made.absent[name] = f"not installed ({error.name or error})"
        except Exception as error:  # a peer that cannot run here must not stop the others
            if name == OURS:
                raise
            made.contenders.pop(name, None)
            made.absent[name] = f"cannot run here ({type(error).__name__}: {str(error).splitlines()[0][:100]})"
    return made


def _disagree(made: "Made") -> dict[str, str]:
    """Compare results with ours; returns who differs although it should not, and how."""
    import torch

    first = made.contenders[OURS].results
    assert first is not None
    law, found = first(), {}
    for name, contender in made.contenders.items():
        if name == OURS or contender.results is None:
            continue
        for place, (mine, theirs) in enumerate(zip(law, contender.results(), strict=True)):
            gap = float((mine.double() - theirs.double()).abs().max() / mine.double().abs().max().clamp_min(1e-30))
            if not torch.isfinite(torch.tensor(gap)) or gap > 1e-3:
                found[name] = f"its result {place} differs from ours by {gap:.1e}, relatively"
    return found


def _figures(timing: "Timing", ours: "Timing", least: "Least") -> Row:
    from ranvier.measure.turns import ratios

    low, high = timing.quartiles
    return {
        "median_s": timing.median, "low_s": low, "high_s": high, "per_unit_s": timing.median / least.count,
        "times_ours": ratios(timing, ours),
    }  # fmt: skip


def _least_s(row: Row, machine: Mapping[str, float]) -> float:
    by_bytes = row["bytes"] / (machine["copy_gb_s"] * 1e9)
    return float(max(by_bytes, row["float_operations"] / (machine[f"{row['dtype']}_gflop_s"] * 1e9)))


def _show(row: Row, screen: Screen) -> None:
    many = row["count"] > 1
    shown = table(
        "contender", "median", "quartiles", f"a {row['unit']}" if many else "", "times ours", "of the limit",
        title=f"{row['workload']} {_words(row['case'])}, {row['operation']}: at least {_time(row['least_s'])}",
    )  # fmt: skip
    for name, f in sorted(row["contenders"].items(), key=lambda item: item[1]["median_s"]):
        shown.add_row(
            name, _time(f["median_s"]), f"{_time(f['low_s'])} .. {_time(f['high_s'])}",
            f"{f['per_unit_s'] * 1e9:.2f} ns" if many else "", f"{f['times_ours']:.2f}",
            f"{100 * row['least_s'] / f['median_s']:.0f} %",
        )  # fmt: skip
    screen.show(shown)
    for name, words in {**row["differs"], **row["absent"]}.items():
        screen.say(f"  {name}: {words}", style="dim")
    screen.say()


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _words(case: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in case.items())


def _environment() -> Mapping[str, Any]:
    from ranvier.runs.environment import describe

    return {**describe(), "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
