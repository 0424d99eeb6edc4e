"""Faults of event files: found by decoders, raised in strict mode, counted in repair mode."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from ranvier.core.errors import EventFormatError

Mode = Literal["strict", "repair"]

REPAIR = 'Read it with mode="repair" to skip what is broken and count it.'


class Fault(NamedTuple):
    """What breaks a format, at the first place where it does; ``num`` places of one kind are told together."""

    kind: str  # a few words: the key under which a report counts it
    at: int  # byte of the file, or row or line where a format has those
    expected: str
    got: str
    num: int = 1
    num_bytes: int = 0  # that hold no events and are skipped
    dropped: int = 0  # events left out
    changed: int = 0  # events given with another time than the file's

    def error(self, path: object, unit: str = "byte") -> EventFormatError:
        """Make the error of strict mode."""
        where = f"{path}: {unit} {self.at}"
        return EventFormatError(
            where, expected=self.expected, got=self.got, mend=REPAIR, path=str(path), offset=self.at
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What one pass over a recording gave, left out and changed.

    ``faults`` maps each kind to its first place and its sums; ``others`` counts what is in the file and is no pixel
    event: triggers, frames, samples of the IMU, and events whose pixel or time the file does not tell because it
    begins in the middle of a stream ("untimed").
    """

    num_events: int = 0  # given
    skipped_bytes: int = 0
    dropped_events: int = 0
    changed_events: int = 0
    faults: Mapping[str, Fault] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def plus(self, num_events: int, faults: Iterable[Fault], others: Mapping[str, int]) -> "Report":
        """Add what a chunk gave."""
        found, counts = dict(self.faults), dict(self.others)
        skipped, dropped, changed = self.skipped_bytes, self.dropped_events, self.changed_events
        for fault in faults:
            found[fault.kind] = merged(found[fault.kind], fault) if fault.kind in found else fault
            skipped, dropped, changed = skipped + fault.num_bytes, dropped + fault.dropped, changed + fault.changed
        for name, count in others.items():
            counts[name] = counts.get(name, 0) + count
        return replace(
            self,
            num_events=self.num_events + num_events,
            skipped_bytes=skipped,
            dropped_events=dropped,
            changed_events=changed,
            faults=found,
            others=counts,
        )

    def lines(self) -> list[str]:
        """Say it in words, a line each."""
        said = [f"{self.num_events} events"]
        said += [f"{count} {name} (not pixel events)" for name, count in self.others.items()]
        for fault in self.faults.values():
            said.append(
                f"{fault.kind}: {fault.num} times, first at {fault.at} (expected {fault.expected}, got {fault.got}); "
                f"{fault.num_bytes} bytes skipped, {fault.dropped} events dropped, {fault.changed} changed"
            )
        return said


def merged(first: Fault, second: Fault) -> Fault:
    """Tell two faults of a kind as one, at the earlier place."""
    early = first if first.at <= second.at else second
    return early._replace(
        num=first.num + second.num,
        num_bytes=first.num_bytes + second.num_bytes,
        dropped=first.dropped + second.dropped,
        changed=first.changed + second.changed,
    )
