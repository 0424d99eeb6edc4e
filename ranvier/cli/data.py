"""``ranvier data``: which data sets there are, where they lie, and how to get them."""

from typing import TYPE_CHECKING, Annotated

import typer

from ranvier.cli import recordings
from ranvier.cli.screen import Screen, table
from ranvier.core.errors import UnknownNameError

if TYPE_CHECKING:
    from ranvier.data.sets.source import Source

app = typer.Typer(
    help="List and fetch data sets; look at event recordings.", no_args_is_help=True, rich_markup_mode=None
)


app.command("info")(recordings.info)
app.command("check")(recordings.check)
app.command("convert")(recordings.convert)
app.command("view")(recordings.view)


@app.command("list")
def list_sets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False) -> None:
    """List the data sets and where each was found."""
    screen = Screen.open(as_json=as_json)
    shown = table("name", "data set", "found", "licence")
    for source in sources().values():
        shown.add_row(source.name, source.title, place(source) or "nowhere", source.licence)
    screen.show(shown)
    screen.say()
    screen.say("ranvier data fetch NAME downloads one; RANVIER_DATA names a folder of your own.", style="dim")
    screen.give(
        [
            {
                "name": source.name,
                "title": source.title,
                "found": place(source),
                "licence": source.licence,
                "citation": source.citation,
                "split": source.split,
                "files": [file.url for file in source.files],
            }
            for source in sources().values()
        ]
    )


@app.command("fetch")
def fetch_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, see `ranvier data list`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Download the official files of a data set.

    They go into the cache folder; an interrupted download goes on where it stopped.
    """
    from ranvier.data.download import fetch
    from ranvier.data.places import cache_folder

    known = sources()
    if name not in known:
        raise UnknownNameError.among("ranvier data fetch", name, known, kind="data set")
    source, screen = known[name], Screen.open(as_json=as_json)
    folder = cache_folder() / name
    screen.say(f"{source.title}. Licence: {source.licence}. Please cite {source.citation}.")
    with screen.watch(name) as watch:
        paths = []
        for index, file in enumerate(source.files):

            def progress(done: int, total: int | None, index: int = index, words: str = file.name) -> None:
                fraction = done / total if total else 0.0
                watch((index + fraction) / len(source.files), words, megabytes=done / 1e6)

            paths.append(fetch(file, folder, progress=progress))
        watch(1.0, "done")
    for path in paths:
        screen.say(str(path))
    screen.give([str(path) for path in paths])


def sources() -> "dict[str, Source]":
    """Return every data set by name."""
    from ranvier.data import sets

    found = (getattr(getattr(sets, export), "SOURCE", None) for export in sets.__all__)
    return {source.name: source for source in found if source is not None}


def place(source: "Source") -> str:
    """Say where a data set lies: a folder, "embedded sample", or nothing if it is nowhere."""
    from ranvier.data import sets
    from ranvier.data.places import folders

    for folder in folders():
        home = folder / source.name
        if home.is_dir() and any(home.iterdir()):
            return str(home)
    return "embedded sample" if hasattr(getattr(sets, source.name, None), "sample") else ""
