"""Tables of a flatbuffer, read without its schema's generated code: every offset is checked, for files may be hostile.

A table begins with the distance back to its list of fields, where slot 4 + 2 i holds the place of field i, or 0 where
it is not set. A vector and a string begin with their length. Source: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MOST_ITEMS = 1_000_000
"""Of all vectors of one file together: vectors may share bytes, so a small file can claim any number."""
MOST_LETTERS = 50_000_000
"""Of all strings of one file together, for the same reason."""


class Malformed(ValueError):
    """The bytes are no such flatbuffer."""


@dataclass
class Buffer:
    """Bytes of one flatbuffer.

    Attributes:
        data: all of them.
        items: entries of vectors that may still be read.
        letters: bytes of strings that may still be read.
    """

    data: bytes
    items: int = MOST_ITEMS
    letters: int = MOST_LETTERS

    def number(self, form: str, place: int) -> int:
        """A number of a `struct` form at a place.

        Raises:
            Malformed: the place lies outside.
        """
        if place < 0 or place + struct.calcsize(form) > len(self.data):
            raise Malformed(f"an offset points to byte {place} of {len(self.data)}")
        return int(struct.unpack_from(form, self.data, place)[0])

    def root(self) -> Table:
        """The table that everything hangs on."""
        return Table(self, self.number("<I", 0))


@dataclass(frozen=True)
class Table:
    """One table of a buffer."""

    buffer: Buffer
    place: int

    def integer(self, field: int, default: int = 0) -> int:
        """A 32-bit field."""
        at = self._at(field)
        return default if at is None else self.buffer.number("<i", at)

    def text(self, field: int) -> str:
        """A string; empty where it is not set."""
        at = self._behind(field)
        return "" if at is None else _text(self.buffer, at)

    def texts(self, field: int) -> tuple[str, ...]:
        """A vector of strings."""
        return tuple(_text(self.buffer, at) for at in self._entries(field))

    def tables(self, field: int) -> Iterator[Table]:
        """A vector of tables."""
        for at in self._entries(field):
            yield Table(self.buffer, at)

    def _at(self, field: int) -> int | None:
        slots = self.place - self.buffer.number("<i", self.place)
        slot = 4 + 2 * field
        if slot + 2 > self.buffer.number("<H", slots):
            return None
        offset = self.buffer.number("<H", slots + slot)
        return self.place + offset if offset else None

    def _behind(self, field: int) -> int | None:
        at = self._at(field)
        return None if at is None else at + self.buffer.number("<I", at)

    def _entries(self, field: int) -> Iterator[int]:
        start = self._behind(field)
        if start is None:
            return
        count = self.buffer.number("<I", start)
        self.buffer.items -= count
        if self.buffer.items < 0:
            raise Malformed(f"its vectors claim more than {MOST_ITEMS} entries")
        for index in range(count):
            at = start + 4 + 4 * index
            yield at + self.buffer.number("<I", at)


def _text(buffer: Buffer, place: int) -> str:
    length = buffer.number("<I", place)
    end = place + 4 + length
    buffer.letters -= length
    if end > len(buffer.data) or buffer.letters < 0:
        raise Malformed(f"a string at byte {place} has {length} bytes")
    return buffer.data[place + 4 : end].decode("utf-8", "replace")
