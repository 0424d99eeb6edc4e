"""The compiled decoders (``csrc/formats``): same meaning as the numpy decoder beside each format, its oracle.

A call fills a ``Room`` with events. What an ``int16`` pixel cannot hold, and whatever a compiled decoder does not take,
is left to the numpy decoder, so both give the same events, states, counts and faults.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.core.extension import Extension
from ranvier.data.formats.interface import Bounds, Columns, Compiled, Places, no_columns
from ranvier.data.formats.stretch import Stretch
from ranvier.kernels.cpu.buffers import SMALLEST, fresh

EXTENSION = Extension("ranvier.data.formats._decoders", "the C++ decoders of event files")
_EVENT, _PLACED = 13, 17  # bytes an event takes in a block, without and with its place
_Block = NDArray[np.uint8]
_Ints = NDArray[Any]


def absence() -> str | None:
    """Say why the compiled decoders cannot be used here; None if they can."""
    return EXTENSION.absence()


def given(compiled: Compiled) -> Compiled | None:
    """Give a compiled decoder where there is one."""
    return None if absence() is not None else compiled


class Room:
    """Room for the events of some calls of compiled decoders, side by side in one block of memory.

    Args: capacity: how many events there is room for, at least. The others are for tests: the instruction set, by
        default the best one; the number of threads, by default torch's; the bytes that a thread takes at once, by
        default 256 KiB where a file is long enough to be worth a second thread.
    """

    def __init__(
        self, capacity: int, *, variant: str | None = None, threads: int | None = None, piece: int = 0
    ) -> None:
        self._module = EXTENSION.module("decode")
        self._variant, self._threads, self._piece = variant, threads, piece
        self._take(capacity)
        self.num = 0
        self._calls: list[Callable[[], NDArray[np.int64]]] = []
        self._bounds: Bounds | None = None

    def _take(self, capacity: int) -> None:
        self.capacity = max(-(-capacity // 64) * 64, 64)
        self._block = _block(self.capacity, _EVENT)

    def more(self, num: int) -> None:
        """See to room for ``num`` more events."""
        if self.capacity - self.num >= num:
            return
        held = _columns(self._block, self.capacity, 0, self.num)
        self._take(max(self.num + num, self.num * 3 // 2))
        for old, new in zip(held, _columns(self._block, self.capacity, 0, self.num), strict=True):
            new[:] = old

    def back(self, start: int) -> None:
        """Forget the events from number ``start`` on."""
        self.num = start
        self._calls, self._bounds = [], None

    def put(self, start: int, columns: Columns) -> None:
        """Put these in the place of the events from number ``start`` on."""
        self.back(start)
        num = columns.t.size
        self.more(num)
        for ours, theirs in zip(_columns(self._block, self.capacity, start, num), columns[:4], strict=True):
            ours[:] = theirs
        self.num += num

    def decode(
        self,
        name: str,
        data: bytes | Stretch,
        at: int,
        state: Sequence[int],
        parameters: Sequence[int] = (),
        *,
        skip: int = 0,
    ) -> Any:
        """Decode the bytes from ``skip`` on, which lie at byte ``at`` of the file; give what was found."""
        call = (name, data, skip, parameters, state)
        how = (self._threads or torch.get_num_threads(), self._piece, self._variant)
        if isinstance(data, Stretch):
            where = (name, data.file, data.at, len(data), parameters, state)
            found = self._module.decode_file(*where, self._block, self.capacity, self.num, *how)
        else:
            found = self._module.decode(*call, self._block, self.capacity, self.num, False, *how)
        if found.num:
            bounds = Bounds(*found.bounds)
            self._bounds = bounds if self._bounds is None else _joined(self._bounds, bounds)
            self._calls.append(partial(self._places, call, found.num, at, self.capacity - self.num))
            self.num += found.num
        return found

    def columns(self, start: int) -> Columns:
        """Give the events from number ``start`` on, which the calls since the last such question have found."""
        num = self.num - start
        if not num:
            return no_columns()
        calls, bounds = tuple(self._calls), self._bounds
        assert bounds is not None, "there are events, so a call found some"
        self._calls, self._bounds = [], None
        places = Places(num, lambda: np.concatenate([find() for find in calls]))
        return Columns(*_columns(self._block, self.capacity, start, num), places, bounds)

    def all(self) -> dict[str, Any]:
        """Give the columns of all events."""
        return dict(zip(("t", "x", "y", "polarity"), _columns(self._block, self.capacity, 0, self.num), strict=True))

    def _places(self, call: tuple[Any, ...], num: int, at: int, room: int) -> NDArray[np.int64]:
        """Decode once more, into as much room, and ask for the places."""
        capacity = -(-room // 8) * 8
        block = _block(capacity, _PLACED)
        name, data, *others = call
        given = bytes(data) if isinstance(data, Stretch) else data
        found = self._module.decode(name, given, *others, block, capacity, 0, True, 1, 0, self._variant)
        if found.num < num:
            raise data.changed()  # decoding the same bytes twice gives the same
        return at + block[_EVENT * capacity :].view(np.uint32)[:num].astype(np.int64)


def room(given_room: Room | None, capacity: int) -> tuple[Room, int]:
    """Give room for so many more events: that of the caller, or some of one's own; and the number of the first."""
    if given_room is None:
        return Room(capacity), 0
    given_room.more(capacity)
    return given_room, given_room.num


def at_once(
    name: str, data: bytes | bytearray, capacity: int, state: Sequence[int]
) -> tuple[tuple[_Ints, _Ints, _Ints, _Ints], Bounds]:
    """Decode small data whole: the columns and their bounds, those of a pixel (0, 0) if there are no events."""
    capacity = -(-capacity // 8) * 8
    block = _block(capacity, _EVENT)
    found = EXTENSION.module("decode").decode(name, bytes(data), 0, (), state, block, capacity, 0, False, 1, 0, None)
    return _columns(block, capacity, 0, found.num), Bounds(*found.bounds)


def _joined(a: Bounds, b: Bounds) -> Bounds:
    """Give the bounds of events and of those after them."""
    return Bounds(
        t_low=min(a.t_low, b.t_low),
        t_high=max(a.t_high, b.t_high),
        t_first=a.t_first,
        t_last=b.t_last,
        x_low=min(a.x_low, b.x_low),
        x_high=max(a.x_high, b.x_high),
        y_low=min(a.y_low, b.y_low),
        y_high=max(a.y_high, b.y_high),
        p_high=max(a.p_high, b.p_high),
        rising=a.rising and b.rising and b.t_first >= a.t_last,
    )


def _block(capacity: int, event: int) -> _Block:
    num = capacity * event
    block: _Block = fresh((num,), torch.uint8).numpy() if num >= SMALLEST else np.empty(num, np.uint8)
    return block


def _columns(block: _Block, capacity: int, start: int, num: int) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    t, x = block[: 8 * capacity].view(np.int64), block[8 * capacity : 10 * capacity].view(np.int16)
    y, polarity = block[10 * capacity : 12 * capacity].view(np.int16), block[12 * capacity : 13 * capacity]
    stop = start + num
    return t[start:stop], x[start:stop], y[start:stop], polarity[start:stop]
