"""``ranvier list`` and ``ranvier show``: what there is, and the page of one thing."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier import systems
from ranvier.cli.screen import Screen, table
from ranvier.core.errors import UnknownNameError
from ranvier.systems.config import to_plain

if TYPE_CHECKING:
    from ranvier.core.system import System

# kind -> (the room whose exports are listed, the noun that tells its members from its helpers)
_ROOMS = {
    "neurons": ("ranvier.neurons", "ranvier.core.neuron", "Neuron"),
    "surrogates": ("ranvier.core.surrogates", "ranvier.core.surrogate", "Surrogate"),
    "rules": ("ranvier.rules", "ranvier.core.rule", "Rule"),
}


def list_names(
    only_systems: Annotated[bool, typer.Option("--systems", help="Published systems.")] = False,
    only_neurons: Annotated[bool, typer.Option("--neurons", help="Neuron models.")] = False,
    only_surrogates: Annotated[bool, typer.Option("--surrogates", help="Surrogate derivatives.")] = False,
    only_rules: Annotated[bool, typer.Option("--rules", help="Learning rules.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """List systems, neurons, surrogates and rules."""
    asked = {
        "systems": only_systems,
        "neurons": only_neurons,
        "surrogates": only_surrogates,
        "rules": only_rules,
    }
    kinds = [kind for kind, wanted in asked.items() if wanted or not any(asked.values())]
    found = {kind: dict(_summaries(kind)) for kind in kinds}
    screen = Screen.open(as_json=as_json)
    for kind, summaries in found.items():
        listed = table(kind, "")
        for name, summary in summaries.items():
            listed.add_row(name, summary)
        screen.show(listed)
        screen.say()
    screen.say("ranvier show NAME prints the page of one.", style="dim")
    screen.give(found)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A system, neuron, surrogate or rule.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Show the page of a system, neuron, surrogate or rule."""
    screen = Screen.open(as_json=as_json)
    members = {member.lower(): (kind, value) for kind in _ROOMS for member, value in _members(kind)}
    if name in systems.names():
        _show_system(systems.load(name), screen)
        if name in members:  # a system that is named after its rule
            screen.say()
            _show_page(members[name][1], screen)
        return
    if name.lower() not in members:
        known = [*systems.names(), *members]
        raise UnknownNameError.among("ranvier show", name.lower(), known, kind="system, neuron, surrogate or rule")
    kind, value = members[name.lower()]
    page, description = _show_page(value, screen)
    screen.give({"name": value.__name__, "kind": kind, "page": page, "description": description})


def _show_page(value: Any, screen: Screen) -> tuple[str, str]:
    page = inspect.getdoc(value) or ""
    made = _default(value)
    description = str(made.describe()) if hasattr(made, "describe") else ""
    screen.say(f"{value.__name__}  ({value.__module__})", style="bold")
    screen.say(page)
    if description:
        screen.say()
        screen.say(description)
    return page, description


def _members(kind: str) -> Iterator[tuple[str, Any]]:
    room, home, noun = _ROOMS[kind]
    base = getattr(import_module(home), noun)
    exports = import_module(room)
    for name in sorted(getattr(exports, "__all__", ())):
        value = getattr(exports, name)
        if isinstance(value, type) and issubclass(value, base):
            yield name, value


def _summaries(kind: str) -> Iterator[tuple[str, str]]:
    if kind == "systems":
        for name in systems.names():
            system = systems.load(name)
            paper, claim = system.paper, system.claim
            said = f"{paper.authors} {paper.year}; {system.family}"
            yield name, f"{system.title} ({said}). Claim, {claim.state}: {claim.sentence}"
        return
    for name, value in _members(kind):
        yield name, (inspect.getdoc(value) or "").split("\n")[0]


def _default(kind: type) -> Any:
    # Most descriptions have defaults for everything; one that needs an argument has no default to describe.
    try:
        return kind()
    except TypeError:
        return None


def _show_system(system: "System", screen: Screen) -> None:
    paper, claim = system.paper, system.claim
    about = inspect.getdoc(import_module(system.build.__module__)) or ""
    screen.say(f"{system.name}: {system.title}", style="bold")
    screen.say(f"{paper.authors} ({paper.year}). {paper.title}. {paper.venue}. {paper.identifier}.")
    screen.say()
    screen.say(about)
    screen.say()
    screen.say(inspect.getdoc(type(system.config)) or "")
    screen.say()
    options = table("option", "default")
    for path, value in _flat(system.config):
        options.add_row(path, str(value))
    screen.show(options)
    screen.say()
    screen.say(f"Claim ({claim.state}, about {claim.minutes:g} min): {claim.sentence}")
    differences = _difference(claim.config, claim.control)
    screen.say(f"Control, which must fail: {', '.join(differences)}")
    for figure, value in claim.published.items():
        screen.say(f"Published: {figure} {value}")
    screen.give(
        {
            "name": system.name,
            "title": system.title,
            "family": system.family,
            "page": about,
            "paper": to_plain(paper),
            "config": to_plain(system.config),
            "claim": {
                "sentence": claim.sentence,
                "state": claim.state,
                "note": claim.note,
                "seeds": list(claim.seeds),
                "published": dict(claim.published),
                "config": to_plain(claim.config),
                "control": to_plain(claim.control),
            },
        }
    )


def _flat(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _flat(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def _difference(claim: Any, control: Any) -> list[str]:
    before = dict(_flat(claim))
    return [f"{path}={value}" for path, value in _flat(control) if before.get(path) != value]
