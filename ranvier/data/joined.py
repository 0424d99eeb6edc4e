"""The events of a whole recording in one set of columns, decoded in place where the decoder is compiled."""

import numpy as np

from ranvier.data.formats import native
from ranvier.data.formats.interface import ByteReader, Columns, Reader, no_columns
from ranvier.data.formats.judge import empty

_MOST = 1 << 26  # events that there is room for from the start; memory that is never written costs nothing


class Joined:
    """Takes judged chunks one after the other.

    ``room`` goes to the reader's ``chunks``: a compiled decoder then writes where the events will stay, and nothing is
    copied unless judging changed them. It is None for a recording that one chunk holds.
    """

    def __init__(self, reader: Reader, chunk_bytes: int) -> None:
        self._parts: list[Columns] = []
        self._kept = 0
        compiled = isinstance(reader, ByteReader) and reader.compiled is not None
        num = reader.path.stat().st_size if isinstance(reader, ByteReader) else 0
        self.room = native.Room(min(num // 2, _MOST) + 1024) if compiled and num > chunk_bytes else None

    def add(self, columns: Columns) -> None:
        """Add a chunk."""
        if self.room is None:
            self._parts.append(columns)
            return
        in_place = columns.bounds is not None and self.room.num == self._kept + columns.t.size
        if not in_place:
            self.room.put(self._kept, columns)
        self._kept = self.room.num

    def columns(self) -> Columns:
        """Give all events."""
        if self.room is not None:
            return no_columns()._replace(**self.room.all()) if self._kept else empty()
        parts = [part for part in self._parts if part.t.size]
        if len(parts) < 2:
            return parts[0] if parts else empty()
        t, x, y, polarity = (np.concatenate([part[i] for part in parts]) for i in range(4))
        return no_columns()._replace(t=t, x=x, y=y, polarity=polarity)
