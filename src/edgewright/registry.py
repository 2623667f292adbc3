"""A registry that refuses duplicates and keeps the order of registration.

Rules, steps, observers, head families and targets each live in a file of their own and enter a registry there.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from edgewright.errors import DuplicateEntry, UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind.

    Args:
        kind: what the entries are, in the singular, as messages should call them ("target", "head family").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Enter `entry` under `name`.

        Raises:
            DuplicateEntry: the name is taken.
        """
        if name in self._entries:
            raise DuplicateEntry(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda entry: self.add(name, entry)

    def get(self, name: str) -> T:
        """The entry called `name`.

        Raises:
            UserError: there is none; the message names the nearest ones.
        """
        if name in self._entries:
            return self._entries[name]
        near = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(self._entries)}"
        raise UserError(f"unknown {self.kind} {name!r}", todo=hint)

    def names(self) -> list[str]:
        """Names in order of registration."""
        return list(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)
