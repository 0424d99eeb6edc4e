"""Errors that say where, what was expected, what came instead, and how to mend it."""

from collections.abc import Iterable
from difflib import get_close_matches


class RanvierError(Exception):
    """The base of every error that a user of ranvier can cause.

    The message reads ``where: expected E, got G. Mend.``; the parts stay available as attributes.

    Args: where: the object, file or option at fault. expected, got: in words. mend: a sentence that says what to do.
    """

    def __init__(self, where: str, *, expected: str, got: str, mend: str = "") -> None:
        self.where, self.expected, self.got, self.mend = where, expected, got, mend
        super().__init__(f"{where}: expected {expected}, got {got}." + (f" {mend}" if mend else ""))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions travel between worker processes; the default would lose the keywords.
        return _rebuild, (type(self), self.where, self.expected, self.got, self.mend)


def _rebuild(kind: type[RanvierError], where: str, expected: str, got: str, mend: str) -> RanvierError:
    return kind(where, expected=expected, got=got, mend=mend)


class ConfigError(RanvierError, ValueError):
    """An option or parameter has a value that makes no sense, or contradicts another."""


class UnitError(RanvierError, ValueError):
    """A quantity has an unknown unit, or one of another kind than was asked for."""


class ShapeError(RanvierError, ValueError):
    """A tensor has the wrong number of axes, the wrong size along one, or no elements in time."""


class DtypeError(RanvierError, TypeError):
    """A tensor has a type of number that the operation is not defined for."""


class NonFiniteError(RanvierError, ValueError):
    """A tensor or a loss holds NaN or infinity."""


class StateError(RanvierError, ValueError):
    """A state does not fit the network or the input it is used with."""


class TraceError(RanvierError, TypeError):
    """A neuron's step uses something that is not elementwise, so no kernel can be made of it."""


class ExecutorError(RanvierError, RuntimeError):
    """The executor that was asked for cannot run here."""


class FormatError(RanvierError, ValueError):
    """A file's bytes break its format. ``where`` names the path and the byte offset or record."""


class EventFormatError(FormatError):
    """The bytes of an event file break its format.

    ``path`` and ``offset`` (the byte, or the row or line for formats of rows; None if no place can be named) stand
    beside the words.
    """

    def __init__(
        self, where: str, *, expected: str, got: str, mend: str = "", path: str = "", offset: int | None = None
    ) -> None:
        self.path, self.offset = path, offset
        super().__init__(where, expected=expected, got=got, mend=mend)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_event, (self.where, self.expected, self.got, self.mend, self.path, self.offset)


def _rebuild_event(where: str, expected: str, got: str, mend: str, path: str, offset: int | None) -> EventFormatError:
    return EventFormatError(where, expected=expected, got=got, mend=mend, path=path, offset=offset)


class DataError(RanvierError, OSError):
    """A data set is absent, incomplete, or cannot be fetched."""


class RunError(RanvierError, OSError):
    """A run folder cannot be written, read or resumed."""


class CheckpointError(RanvierError, ValueError):
    """A checkpoint is truncated, altered or belongs to another network. ``where`` names the file."""


class MissingExtraError(RanvierError, ImportError):
    """An optional package is needed that is not installed."""


class UnknownNameError(RanvierError, LookupError):
    """No such name; near ones are listed."""

    @classmethod
    def among(cls, where: str, name: str, known: Iterable[str], *, kind: str = "name") -> "UnknownNameError":
        """Make the error for ``name``, which is not one of ``known``; ``kind`` says what is named: "system" ..."""
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.55)
        mend = f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        return cls(where, expected=f"a known {kind} ({listed or 'none are known'})", got=repr(name), mend=mend)
