"""``ranvier data``: which data sets there are, where they lie, and how to get them."""

from typing import Annotated

import typer

from ranvier.cli import recordings
from ranvier.cli.screen import Screen, table
from ranvier.core.errors import UnknownNameError

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
    from ranvier.data.sets.catalogue import place, size_in_words, sources

    screen = Screen.open(as_json=as_json)
    known = sources().values()
    shown = table("name", "data set", "found", "size", "licence")
    for source in known:
        shown.add_row(source.name, source.title, place(source) or "nowhere", size_in_words(source), source.licence)
    screen.show(shown)
    screen.say()
    screen.say("ranvier data fetch NAME downloads one; RANVIER_DATA names a folder of your own.", style="dim")
    screen.give(
        [
            {
                "name": source.name,
                "title": source.title,
                "kind": source.kind,
                "found": place(source),
                "bytes": source.bytes,
                "licence": source.licence,
                "citation": source.citation,
                "split": source.split,
                "files": [file.url for file in source.files],
                "by_hand": source.by_hand,
            }
            for source in known
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
    from ranvier.data.sets.catalogue import sources
    from ranvier.data.sets.source import check_fetchable

    known = sources()
    if name not in known:
        raise UnknownNameError.among("ranvier data fetch", name, known, kind="data set")
    source, screen = known[name], Screen.open(as_json=as_json)
    check_fetchable(source)
    folder = cache_folder() / source.home
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
