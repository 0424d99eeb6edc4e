"""HDF5 recordings: SHD/SSC spikes, DSEC, Prophesee without its ECF filter, MVSEC, and any group of event columns.

Found by what is inside: ``spikes/times`` and ``spikes/units`` (arrays of variable length, seconds; one recording a row,
channels as x, y = 0, all ON); a compound data set with fields t, x, y, p (``CD/events``); a group with data sets t, x,
y, p (``events``), to whose times a scalar ``t_offset`` is added; rows of four numbers (``davis/left/events``).
Of several recordings the first is opened; ``recording`` chooses another. Links out of the file, virtual and external
storage are refused, and so are data sets that declare far more than is stored. ECF, Blosc and other filters need
plug-ins: without them an error says which. libhdf5 itself parses the file: open no untrusted files in a process that
must not die.
Source: The HDF Group, HDF5 file format; the layouts as published with SHD, DSEC, MVSEC and Prophesee's SDK.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError, MissingExtraError
from ranvier.data.events import Events
from ranvier.data.formats.interface import Chunk, Format, RowReader
from ranvier.data.formats.tables import ROLES, Array, chunk_of, order_of, role, unit_of

MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_OBJECTS, _MAX_DEPTH = 1000, 6
_RATIO, _ALLOWANCE, _MAX_CHUNK = 1000, 1 << 20, 64 << 20
_SAMPLE = 4096
_PREFERRED = ("events", "CD/events", "spikes", "davis/left/events")
_PLUGINS = {36559: "ECF (Prophesee's own)", 32001: "Blosc", 32026: "Blosc2", 32015: "Zstandard", 32004: "LZ4"}
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError, AttributeError)


class _Found(NamedTuple):
    """A recording: the names of its data sets, or of the one that holds all columns."""

    kind: str  # "spikes", "group", "compound" or "rows"
    name: str
    columns: dict[str, str]  # role -> data set or field


def sniff(head: bytes, size: int) -> bool:
    """Recognise the signature at the start, or after a user block of 512 to 32768 bytes."""
    return any(head.startswith(MAGIC, place) for place in (0, *(512 << n for n in range(7))))


def recording(which: int | str) -> Format:
    """Make the format for one of several recordings: a number, or the name of its group or data set."""
    return replace(FORMAT, open=partial(open_, which=which))


def open_(path: Path, which: int | str = 0) -> RowReader:
    """Find a recording.

    Raises: EventFormatError if there is none, or the file is broken; MissingExtraError if it needs a plug-in.
    """
    with _file(path) as file:
        found = _recordings(file)
        if not found:
            raise _refuse(path, "data sets of events (t, x, y, p) or spikes (times, units)", "none")
        if isinstance(which, str):
            chosen = next((f for f in found if f.name == which), None)
        elif found[0].kind == "spikes":
            chosen = found[0]
        else:
            chosen = found[which] if 0 <= which < len(found) else None
        if chosen is None:
            raise _refuse(path, f"one of the recordings {[f.name for f in found][:20]}", repr(which))
        if chosen.kind == "spikes":
            return _spikes(path, file, chosen, which if isinstance(which, int) else 0)
        return _columns(path, file, chosen, [f.name for f in found])


def _refuse(path: Path, expected: str, got: str) -> EventFormatError:
    return EventFormatError(str(path), expected=expected, got=got, path=str(path))


@contextmanager
def _file(path: Path) -> Iterator[Any]:
    """Open a file; whatever libhdf5 says becomes an error that names the path."""
    h5py = import_module("h5py")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (EventFormatError, MissingExtraError):
        raise
    except _BROKEN as error:
        raise _refuse(path, "a sound HDF5 file", f"{type(error).__name__}: {str(error)[:160]}") from error


def _walk(file: Any) -> Iterator[tuple[str, Any]]:
    """Give the groups and data sets that lie in the file itself."""
    h5py = import_module("h5py")
    todo, seen = [("", file, 0)], 0
    while todo:
        name, group, depth = todo.pop(0)
        yield name, group
        for key in list(group)[:_MAX_OBJECTS]:
            seen += 1
            if seen > _MAX_OBJECTS:
                return
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            child = group.get(key)
            where = f"{name}/{key}".lstrip("/")
            if isinstance(child, h5py.Group) and depth < _MAX_DEPTH:
                todo.append((where, child, depth + 1))
            elif isinstance(child, h5py.Dataset):
                yield where, child


def _recordings(file: Any) -> list[_Found]:
    h5py = import_module("h5py")
    found: list[_Found] = []
    for name, thing in _walk(file):
        if isinstance(thing, h5py.Group):
            sets = [k for k in list(thing)[:_MAX_OBJECTS] if isinstance(thing.get(k), h5py.Dataset)]
            if name.rpartition("/")[2] == "spikes" and {"times", "units"} <= set(sets):
                found.append(_Found("spikes", name, {"t": "times", "x": "units"}))
                continue
            names = _roles(sets)
            if len(names) == len(ROLES):
                found.append(_Found("group", name, names))
        elif thing.dtype.names is not None:
            names = _roles(list(thing.dtype.names))
            if len(names) == len(ROLES) and thing.ndim == 1:
                found.append(_Found("compound", name, names))
        elif thing.ndim == 2 and 4 <= thing.shape[1] <= 64 and name.rpartition("/")[2] == "events":
            found.append(_Found("rows", name, {}))
    rank = {name: number for number, name in enumerate(_PREFERRED)}
    return sorted(found, key=lambda f: rank.get(f.name, len(rank)))


def _roles(names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        if (known := role(name)) is not None:
            found.setdefault(known[0], name)
    return found


def _check(path: Path, dataset: Any) -> None:
    """Refuse what lies elsewhere, cannot be unpacked here, or declares far more than is stored."""
    h5py = import_module("h5py")
    where = f"{dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise _refuse(path, f"{where} stored in the file", "virtual or external storage")
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code = plist.get_filter(number)[0]
        if not h5py.h5z.filter_avail(code):
            name = _PLUGINS.get(code, f"number {code}")
            mend = "Install its plug-in (pip install hdf5plugin, then import hdf5plugin), or write the file again."
            raise MissingExtraError(f"{path}: {where}", expected="known filters", got=f"filter {name}", mend=mend)
    item, stored = dataset.dtype.itemsize, dataset.id.get_storage_size()
    if item * dataset.size > _ALLOWANCE + _RATIO * stored:
        raise _refuse(path, f"{where} of about the {stored} bytes stored", f"{item * dataset.size} bytes declared")
    if dataset.chunks is not None and item * int(np.prod(dataset.chunks, dtype=object)) > _MAX_CHUNK:
        raise _refuse(path, f"{where} in chunks of at most {_MAX_CHUNK} bytes", f"chunks {dataset.chunks}")


def _size(file: Any, group: Any) -> tuple[int, int] | None:
    for holder in (group, file):
        attributes = {str(key).lower(): holder.attrs[key] for key in list(holder.attrs)[:100]}
        pair = attributes.get("sensor_resolution", (attributes.get("height"), attributes.get("width")))
        if (
            len(np.shape(pair)) != 1
            or len(pair) != 2
            or any(np.ndim(s) or not isinstance(s, int | np.integer) for s in pair)
        ):
            continue
        height, width = int(pair[0]), int(pair[1])
        if 0 < height <= 1 << 15 and 0 < width <= 1 << 15:
            return height, width
    return None


def _columns(path: Path, file: Any, found: _Found, all_names: list[str]) -> RowReader:
    thing = file[found.name] if found.name else file
    offset = 0
    if found.kind == "group":
        sets = [thing[found.columns[name]] for name in ROLES]
        for dataset in sets:
            _check(path, dataset)
        lengths = {dataset.shape for dataset in sets}
        if len(lengths) != 1 or len(sets[0].shape) != 1 or any(d.dtype.kind not in "iufb" for d in sets):
            raise _refuse(path, "columns of numbers of one length", str(sorted(map(str, lengths))))
        num, sample = sets[0].shape[0], sets[0][:_SAMPLE]
        offset = _offset(path, thing, file)
        order: tuple[Any, ...] = tuple(found.columns[name] for name in ROLES)
    else:
        _check(path, thing)
        num, rows = thing.shape[0], thing[:_SAMPLE]
        if found.kind == "compound":
            order = tuple(found.columns[name] for name in ROLES)
            if any(thing.dtype[name].kind not in "iufb" for name in order):
                raise _refuse(path, "fields of numbers", str(thing.dtype)[:80])
        else:
            if thing.dtype.kind not in "iuf":
                raise _refuse(path, "rows of numbers", str(thing.dtype)[:80])
            order = order_of(np.nan_to_num(rows.astype(np.float64))) if len(rows) else (0, 1, 2, 3)
        sample = rows[order[0]] if found.kind == "compound" else rows[:, order[0]]
    stated = role(str(order[0])) if found.kind != "rows" else None
    unit = stated[1] if stated is not None and stated[1] else unit_of(sample)

    def load(first: int, last: int) -> Chunk:
        with _file(path) as again:
            inside = again[found.name] if found.name else again
            if found.kind == "group":
                columns: list[Array] = [inside[name][first:last] for name in order]
            else:
                part = inside[first:last]
                columns = [part[name] for name in order] if found.kind == "compound" else [part[:, c] for c in order]
        chunk = chunk_of(columns, unit, range(first, last))
        return chunk._replace(columns=chunk.columns._replace(t=chunk.columns.t + offset)) if offset else chunk

    facts = {"layout": found.kind, "name": found.name, "recordings": all_names, "t_offset": offset}
    facts["attributes"] = {str(key): str(thing.attrs[key])[:200] for key in list(thing.attrs)[:50]}
    return RowReader(num_rows=num, load=load, size=_size(file, thing), metadata=facts)


def _offset(path: Path, group: Any, file: Any) -> int:
    for holder in (group, file):
        if isinstance(holder.get("t_offset", getlink=True), import_module("h5py").HardLink):
            value = holder["t_offset"]
            if value.size != 1 or value.dtype.kind not in "iu":
                raise _refuse(path, "one whole number t_offset", f"{value.dtype} {value.shape}")
            offset = int(np.asarray(value[()]).reshape(-1)[0])
            if abs(offset) >= 1 << 60:
                raise _refuse(path, "a t_offset within +-2^60 us", str(offset))
            return offset
    return 0


def _spikes(path: Path, file: Any, found: _Found, which: int) -> RowReader:
    group = file[found.name]
    if not {"times", "units"} <= set(group):
        raise _refuse(path, "spikes/times and spikes/units", "none")
    times, units = group["times"], group["units"]
    for dataset in (times, units):
        _check(path, dataset)
    if times.shape != units.shape or times.ndim != 1 or times.dtype.kind != "O" or units.dtype.kind != "O":
        got = f"{times.dtype} {times.shape}, {units.dtype} {units.shape}"
        raise _refuse(path, "spikes/times and spikes/units of variable length", got)
    if not 0 <= which < len(times):
        raise _refuse(path, f"a recording from 0 to {len(times) - 1}", str(which))
    t, x = np.asarray(times[which]), np.asarray(units[which])
    if t.shape != x.shape or t.ndim != 1 or t.dtype.kind not in "fiu" or x.dtype.kind not in "iu":
        raise _refuse(path, "as many times as units", f"{t.dtype} {t.shape}, {x.dtype} {x.shape}")
    facts: dict[str, Any] = {"layout": "spikes", "name": found.name, "recordings": len(times)}
    labels = file.get("labels")
    if labels is not None and labels.shape == times.shape and labels.dtype.kind in "iu":
        facts["label"] = int(labels[which])
    # 700 channels in SHD and SSC; a file with more tells so by its spikes.
    width = max(700, int(x.max()) + 1) if x.size else 700
    flat = np.zeros(t.size, np.uint8)

    def load(first: int, last: int) -> Chunk:
        part = slice(first, last)
        return chunk_of((t[part], x[part], flat[part], flat[part] + np.uint8(1)), 1e6, range(first, last))

    return RowReader(num_rows=t.size, load=load, size=(1, width), metadata=facts)


def spikes(path: Path, row: int, *, channels: int) -> Events:
    """Read one recording of ``spikes/times`` and ``spikes/units``: channels as x of a sensor (1, channels), all ON.

    Spikes that stand out of order are sorted by time; nothing else is changed.

    Raises: EventFormatError for a broken file, a time that is no number, or a channel that is none.
    """
    with _file(path) as file:
        reader = _spikes(path, file, _Found("spikes", "spikes", {}), row)
        if reader.size is not None and reader.size[1] > channels:
            raise _refuse(path, f"channels below {channels} in recording {row}", str(reader.size[1] - 1))
        chunk = reader.load(0, reader.num_rows)
    if chunk.faults:
        raise _refuse(path, f"{chunk.faults[0].expected} in recording {row}", chunk.faults[0].got)
    order = np.argsort(chunk.columns.t, kind="stable")
    return Events.of(*(np.asarray(column)[order] for column in chunk.columns[:4]), size=(1, channels))


def spike_labels(path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Read ``labels``, ``extra/speaker`` (-1 where there is none) and ``extra/keys`` (the classes, if they are there).

    Raises: EventFormatError if there are no spikes, or the arrays do not fit them.
    """
    with _file(path) as file:
        times, labels = file.get("spikes/times"), file.get("labels")
        if times is None or labels is None:
            raise _refuse(path, "spikes/times and labels", "none")
        speakers, keys = file.get("extra/speaker"), file.get("extra/keys")
        for dataset in (labels, speakers, keys):
            if dataset is not None:
                _check(path, dataset)
        if labels.shape != times.shape or labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise _refuse(path, f"{times.shape} labels", f"{labels.dtype} {labels.shape}")
        who = np.full(labels.shape, -1) if speakers is None else np.asarray(speakers[()])
        if who.shape != labels.shape or who.dtype.kind not in "iu":
            raise _refuse(path, f"{labels.shape} speakers", f"{who.dtype} {who.shape}")
        names = [] if keys is None or keys.ndim != 1 else keys[:1000].tolist()
        words = tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names)
        return np.asarray(labels[()]).astype(np.int64), who.astype(np.int64), words


def write(path: Path, events: Events) -> None:
    """Write the layout of DSEC: events/t, x, y, p, t_offset and ms_to_idx, deflated, with height and width."""
    h5py = import_module("h5py")
    offset = int(events.t[0]) if len(events) else 0
    t = events.t - offset
    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        narrow = t.astype(np.uint32) if not t.size or t[-1] < 1 << 32 else t
        for name, column in (("t", narrow), ("x", events.x), ("y", events.y), ("p", events.polarity)):
            group.create_dataset(
                name, data=column, compression="gzip", compression_opts=1, chunks=column.size > 0 or None
            )
        file.create_dataset("t_offset", data=np.int64(offset))
        if t.size and t[-1] < 1 << 32:  # an index by the millisecond, for recordings shorter than 72 minutes
            steps = np.arange(int(t[-1]) // 1000 + 1) * 1000
            file.create_dataset("ms_to_idx", data=np.searchsorted(t, steps).astype(np.uint64), compression="gzip")
        group.attrs["height"], group.attrs["width"] = events.size


FORMAT = Format(name="hdf5", title="HDF5", sniff=sniff, open=open_, write=write)
