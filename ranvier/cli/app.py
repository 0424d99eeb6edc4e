"""The door: all commands, and what becomes of the errors a user can cause."""

import os
import signal
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ranvier import __version__
from ranvier.cli import catalogue, data, doctor, folders, train
from ranvier.cli.bench import bench
from ranvier.cli.checks import check
from ranvier.cli.screen import console, tell
from ranvier.core.errors import RanvierError

EXIT_MISTAKE = 2
_DEBUG = "--debug"


class Door(TyperGroup):
    """Turns an error that a user can cause into one message and exit code 2, and warnings into one line each.

    ``--debug`` shows where they arose.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` from wherever it was typed."""
        ctx.obj = _DEBUG in args
        return super().parse_args(ctx, [word for word in args if word != _DEBUG])

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            with warnings.catch_warnings():
                if not ctx.obj:
                    warnings.showwarning = _note
                return super().invoke(ctx)
        except RanvierError as error:
            if ctx.obj:
                raise
            kind = type(error).__name__
            tell(console(stderr=True), f"{kind}: {error}", "red")
            raise typer.Exit(EXIT_MISTAKE) from None
        except KeyboardInterrupt as stop:
            name = str(stop) or "SIGINT"
            tell(console(stderr=True), f"stopped by {name}")
            raise typer.Exit(128 + signal.Signals[name].value) from None


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    tell(console(stderr=True), f"note: {message}", "yellow")


app = typer.Typer(
    cls=Door,
    name="ranvier",
    help="Spiking neural networks and neuromorphic computing. Write a neuron once, use it everywhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ranvier {__version__}")
        raise typer.Exit


@app.callback()
def _door(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del debug, version  # read before the command is chosen


app.command("run")(train.run)
app.command("resume")(train.resume)
app.command("check")(check)
app.command("bench")(bench)
app.command("list")(catalogue.list_names)
app.command("show")(catalogue.show)
app.command("report")(folders.report)
app.command("compare")(folders.compare)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")


def main() -> None:
    """Enter from the shell."""
    # torch's threads that wait by spinning make a step up to four times slower where another process takes a core. A
    # benchmark is to show what a script gets.
    if sys.argv[1:2] != ["bench"]:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="ranvier")
