"""Configurations from outside: YAML files and ``a.b=value`` options become a checked frozen dataclass; plain JSON back.

Where an option is one of several dataclasses, each has a field ``kind: Literal[...]``; ``optimiser.kind=sgd`` chooses.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from ranvier.core.errors import ConfigError, UnknownNameError

Config = TypeVar("Config")
Plain = dict[str, Any]  # what JSON can hold

MAX_BYTES = 1 << 20
SYSTEM_KEY = "system"


def to_plain(config: Any) -> Plain:
    """Turn a config into plain JSON values; ``from_plain`` brings it back."""
    plain: Plain = TypeAdapter(type(config)).dump_python(config, mode="json")
    return plain


def from_plain(base: Config, changes: Mapping[str, Any], *, where: str = "config") -> Config:
    """Make a checked copy of ``base`` in which the named options have other values.

    Text is read as the option's type wants it ("3" as a whole number), nothing else is guessed.

    Args: base: a frozen dataclass of plain values and of further such dataclasses. changes: a tree of plain values.
        where: what errors begin with.
    Raises: ConfigError or UnknownNameError; they name the option by its path.
    """
    base = _choose(base, changes, where)
    _check_names(base, changes, where)
    try:
        made = TypeAdapter(type(base)).validate_python(_merge(to_plain(base), changes))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):  # from a config's own __post_init__
            raise cause from None
        path = ".".join((where, *(str(part) for part in first["loc"])))
        raise ConfigError(path, expected=_expected(first["msg"]), got=repr(first["input"])) from None
    _check_finite(made, where)
    return made


def override(base: Config, options: Iterable[str], *, where: str = "--set") -> Config:
    """Make a copy of ``base`` with options such as ``train.epochs=3`` or ``model.channels=[16, 32]`` applied.

    Raises: ConfigError or UnknownNameError, also if two options contradict each other.
    """
    given: dict[str, str] = {}
    for option in options:
        path, equals, text = option.partition("=")
        path, text = path.strip(), text.strip()
        if not equals or not path:
            raise ConfigError(where, expected="an option such as train.epochs=3", got=repr(option))
        if given.setdefault(path, text) != text:
            raise ConfigError(
                f"{where} {path}", expected="one value", got=f"{given[path]!r} and {text!r}", mend="Drop one of them."
            )
    changes: Plain = {}
    for path, text in given.items():
        _plant(changes, path, _value(text, f"{where} {path}"), where)
    return from_plain(base, changes, where=where)


def read(path: Path, base: Config, *, system: str) -> Config:
    """Read a YAML or JSON file of options as a copy of ``base``; also the ``config.json`` of a run.

    The key ``system`` may say whose options these are. A ``config.json`` holds a ``name`` and the ``config``.

    Raises: ConfigError if the file is absent, too large, no mapping, repeats a key, or belongs to another system;
        UnknownNameError for an unknown option.
    """
    tree = _load(path)
    if tree.keys() == {"name", "config"} and isinstance(tree["config"], dict):
        tree = {**tree["config"], SYSTEM_KEY: tree["name"]}
    owner = tree.pop(SYSTEM_KEY, system)
    if owner != system:
        raise ConfigError(
            str(path), expected=f"options of {system!r}", got=f"those of {owner!r}", mend=f"ranvier run {owner} ..."
        )
    return from_plain(base, tree, where=str(path))


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without aliases (which let a small file become a huge tree) and without repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias (*{self.peek_event().anchor})")  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"{key!r} twice, in line {key_node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _load(path: Path) -> Plain:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(str(path), expected=f"a file of at most {MAX_BYTES >> 20} MiB", got=f"{size} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(str(path), expected="a readable YAML file", got=words) from None
    return _parse(text, str(path))


def _parse(text: str, where: str) -> Plain:
    try:
        tree = yaml.load(text, _PlainLoader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(where, expected="plain YAML", got=words) from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise ConfigError(where, expected="options by name, such as epochs: 3", got=repr(tree)[:80])
    return tree


def _value(text: str, where: str) -> Any:
    # Lists and "null" are read as YAML; everything else stays text, which the option's type then reads.
    if text[:1] in {"[", "{"} or text == "null":
        return _parse(f"value: {text}", where)["value"]
    return text


def _plant(tree: Plain, path: str, value: Any, where: str) -> None:
    *branches, leaf = path.split(".")
    for branch in branches:
        tree = tree.setdefault(branch, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{where} {path}", expected="no value for a part of it too", got=f"{branch}={tree}")
    if isinstance(tree.get(leaf), dict):
        raise ConfigError(f"{where} {path}", expected="no value for a part of it too", got=f"{path}={value}")
    tree[leaf] = value


def _choose(base: Config, changes: Mapping[str, Any], where: str) -> Config:
    """Put the defaults of another alternative wherever the changes name its ``kind``."""
    hints = get_type_hints(type(base))
    chosen: Plain = {}
    for field in fields(base):  # type: ignore[arg-type] # every config is a dataclass
        value, inner = changes.get(field.name), getattr(base, field.name)
        if not isinstance(value, Mapping) or not is_dataclass(inner):
            continue
        kinds = _kinds(hints[field.name])
        kind = value.get("kind", getattr(inner, "kind", None))
        if kinds and kind not in kinds:
            raise UnknownNameError.among(f"{where}.{field.name}.kind", str(kind), kinds, kind="kind")
        if kinds and kind != inner.kind:  # type: ignore[union-attr] # one of the kinds
            inner = kinds[kind]()
        chosen[field.name] = _choose(inner, value, f"{where}.{field.name}")
    return replace(base, **chosen)  # type: ignore[type-var]


def _kinds(hint: Any) -> dict[str, type]:
    options = [option for option in get_args(hint) if is_dataclass(option)]
    return {f.default: o for o in options for f in fields(o) if f.name == "kind"}  # type: ignore[misc] # strings


def _check_names(base: Any, changes: Mapping[str, Any], where: str) -> None:
    hints = get_type_hints(type(base))
    known = [field.name for field in fields(base)]
    for name, value in changes.items():
        path = f"{where}.{name}"
        if name not in known:
            raise UnknownNameError.among(where, name, [*known, *_paths_to(base, name)], kind="option")
        inner = getattr(base, name)
        if is_dataclass(inner):
            if not isinstance(value, Mapping):
                listed = ", ".join(f"{name}.{field.name}" for field in fields(inner))
                raise ConfigError(path, expected=f"options ({listed})", got=repr(value))
            _check_names(inner, value, path)
        elif isinstance(value, bool) and hints[name] in {int, float}:
            raise ConfigError(path, expected="a number", got=repr(value))


def _paths_to(base: Any, name: str, prefix: str = "") -> list[str]:
    """List the options of this name further inside: "epochs" is found as "train.epochs"."""
    found: list[str] = []
    for field in fields(base):
        inner = getattr(base, field.name)
        if prefix and field.name == name:
            found.append(prefix + name)
        if is_dataclass(inner):
            found += _paths_to(inner, name, f"{prefix}{field.name}.")
    return found


def _merge(base: Plain, changes: Mapping[str, Any]) -> Plain:
    merged = dict(base)
    for name, value in changes.items():
        inner = base.get(name)
        merged[name] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def _expected(words: str) -> str:
    # pydantic says "Input should be a valid integer, unable to parse string as an integer".
    words = words.removeprefix("Input should be ").removeprefix("Value error, ")
    return words.split(", unable")[0]


def _check_finite(config: Any, where: str) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            _check_finite(value, f"{where}.{field.name}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}.{field.name}", expected="a finite number", got=str(value))
