"""``ranvier data info | check | convert | view``: event recordings of any format, recognised by their content."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier.cli.screen import Screen, table
from ranvier.core.errors import ConfigError, EventFormatError, RunError

if TYPE_CHECKING:
    from ranvier.data.open import Recording

EXIT_UNSOUND = 1
_MOST_PIXELS = 1 << 26  # of all frames of a moving picture
_SUFFIXES = {
    ".dat": "dat", ".aedat4": "aedat4", ".es": "es", ".npz": "npz", ".npy": "npy", ".txt": "text", ".csv": "text",
    ".h5": "hdf5", ".hdf5": "hdf5", ".bin": "nmnist_bin",
}  # fmt: skip
File = Annotated[Path, typer.Argument(metavar="FILE", help="An event recording of any known format.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Repair = Annotated[bool, typer.Option("--repair", help="Skip what is broken, and say what was skipped.")]


def info(file: File, as_json: AsJson = False) -> None:
    """Print the facts of an event recording, and how sound it is."""
    facts, health = _look(file)
    screen = Screen.open(as_json=as_json)
    shown = table("fact", "value")
    for name, value in facts.items():
        shown.add_row(name, str(value))
    screen.show(shown)
    screen.say()
    for line in health:
        screen.say(line)
    screen.give({**facts, "health": health})


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Event recordings.")], as_json: AsJson = False
) -> None:
    """Check event recordings from end to end. Exit code 1 if any is not sound."""
    screen, found = Screen.open(as_json=as_json), dict[str, Any]()
    for file in files:
        try:
            recording = _open(file, repair=True)
            report = recording.report
            found[str(file)] = {"sound": report.clean, "format": recording.format.name, "health": report.lines()}
        except EventFormatError as error:
            found[str(file)] = {"sound": False, "format": None, "health": [str(error)]}
        one = found[str(file)]
        screen.say(f"{file}: {'sound' if one['sound'] else 'not sound'}", style="green" if one["sound"] else "bold red")
        for line in one["health"]:
            screen.say(f"  {line}")
    screen.give(found)
    if not all(one["sound"] for one in found.values()):
        raise typer.Exit(EXIT_UNSOUND)


def convert(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; its ending tells the format.")],
    to: Annotated[str | None, typer.Option(help="The format, if the ending does not tell it.")] = None,
    repair: Repair = False,
    as_json: AsJson = False,
) -> None:
    """Convert an event recording into another format.

    Every event is kept, with its time.
    """
    from ranvier.data.formats.registry import by_name

    chosen = by_name(to or _named_by(out))
    if out.exists() and out.samefile(file):
        raise ConfigError("ranvier data convert", expected="another file to write to", got=str(out))
    recording = _open(file, repair=repair)
    events, report = recording.read_with_report()
    _written(out, lambda: chosen.write(out, events))
    screen = Screen.open(as_json=as_json)
    for line in report.lines() if repair else ():
        screen.say(line)
    screen.say(f"{len(events):,} events, {recording.format.name} to {chosen.name}: {out}", style="bold")
    screen.give({"events": len(events), "from": recording.format.name, "to": chosen.name, "out": str(out)})


def view(
    file: File,
    out: Annotated[Path | None, typer.Option(help="A .html, .png or .gif; default FILE.html in this folder.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Pictures in a .gif.")] = 40,
    repair: Repair = False,
    as_json: AsJson = False,
) -> None:
    """Draw an event recording.

    A page with a time slider and a cloud in space and time; or a picture, or a moving one.
    """
    from ranvier.report import player

    path = out or Path(f"{file.name}.html")
    if path.suffix not in (".html", ".png", ".gif"):
        raise ConfigError("ranvier data view --out", expected="a name ending in .html, .png or .gif", got=path.name)
    recording = _open(file, repair=repair)
    events = recording.read()
    if path.suffix == ".html":
        facts = [(name, str(value)) for name, value in _facts(recording).items()]
        page = player(
            events.t, events.x, events.y, events.polarity, size=events.size, title=file.name, facts=facts
        )  # fmt: skip
        _written(path, lambda: path.write_text(page, encoding="utf-8"))
    else:
        _written(path, lambda: _draw(path, events, 1 if path.suffix == ".png" else frames))
    screen = Screen.open(as_json=as_json)
    screen.say(f"{len(events):,} events drawn: {path}", style="bold")
    screen.give({"events": len(events), "out": str(path)})


def _open(file: Path, *, repair: bool) -> "Recording":
    from ranvier.data.open import open_events

    return open_events(file, mode="repair" if repair else "strict")


def _look(file: Path) -> tuple[dict[str, Any], list[str]]:
    recording = _open(file, repair=True)
    report = recording.report
    return _facts(recording), ["sound: nothing was left out or changed"] if report.clean else report.lines()


def _facts(recording: "Recording") -> dict[str, Any]:
    height, width = recording.size
    seconds = recording.duration / 1e6
    facts: dict[str, Any] = {
        "file": str(recording.path), "format": f"{recording.format.name} ({recording.format.title})",
        "sensor": f"{width} x {height}" + ("" if recording.size_is_known else " (as far as events reach)"),
        "events": recording.num_events, "first at": f"{recording.t_first} us", "duration": f"{seconds:.6g} s",
    }  # fmt: skip
    if seconds > 0:
        facts["rate"] = f"{recording.num_events / seconds:.4g} events/s"
    for name, value in recording.metadata.items():
        facts.setdefault(str(name), str(value)[:200])
    return facts


def _named_by(out: Path) -> str:
    if out.suffix not in _SUFFIXES:
        listed = ", ".join(_SUFFIXES)
        raise ConfigError(
            "ranvier data convert", expected=f"a name ending in {listed}", got=out.name, mend="Or name it by --to."
        )
    return _SUFFIXES[out.suffix]


def _written(path: Path, write: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        raise RunError(str(path), expected="a writable file", got=error.strerror or str(error)) from error


def _draw(path: Path, events: Any, num: int) -> None:
    """Paint events, ON orange and OFF blue, in frames of equal duration; small sensors larger."""
    import numpy as np
    from PIL import Image  # comes with matplotlib

    from ranvier.data.frames import NumWindows

    height, width = events.size
    if num * height * width > _MOST_PIXELS:
        got = f"{num} frames of {width} x {height}"
        raise ConfigError("ranvier data view --frames", expected=f"at most {_MOST_PIXELS} pixels in all", got=got)
    counts = NumWindows(num=num)(events).numpy()
    shade = 1 - np.exp(-counts / max(1.0, float(np.quantile(counts[counts > 0], 0.9)) if counts.any() else 1.0))
    colours = np.array([(38, 125, 214), (232, 113, 42)], float)
    white = np.full(3, 255.0)
    ink = np.einsum("tchw,cr->thwr", shade, white - colours)
    pictures = (white - ink).clip(0, 255).round().astype(np.uint8)
    times = max(1, 400 // max(height, width))
    images = [Image.fromarray(p.repeat(times, 0).repeat(times, 1)) for p in pictures]
    if len(images) == 1:
        images[0].save(path)
    else:
        images[0].save(path, save_all=True, append_images=images[1:], duration=60, loop=0)
