"""A map whose versions never change, with the newest as fast as a plain dict.

    oldest ──change──► older ──change──► newest ──► dict        (each arrow: what to undo)

One dict belongs to all versions; it spells out one of them, and every other version knows the few entries in which it
differs from its neighbour. Reading another version first carries the dict over to it (rerooting).
A step forward costs what it changes, whatever the size of the map, and a version that nobody holds is collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from threading import RLock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Absent:
    """The mark for an entry that is not there; it survives pickling because only its type is compared."""


_ABSENT = _Absent()


class VersionedMap(Generic[K, V]):
    """One version. Equality and iteration read the whole map; `get`, `set_many` cost what they touch."""

    __slots__ = ("_entries", "_lock", "_neighbour", "_undo")

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        self._entries: dict[K, V] | None = dict(entries or {})
        self._neighbour: VersionedMap[K, V] | None = None
        self._undo: dict[K, V | _Absent] = {}
        # One lock for a whole family of versions: two threads may not carry the dict over at once.
        self._lock = RLock()

    def _reroot(self) -> dict[K, V]:
        """Carry the dict over to this version."""
        if self._entries is not None:
            return self._entries
        path: list[VersionedMap[K, V]] = []
        version: VersionedMap[K, V] = self
        while version._neighbour is not None:
            path.append(version)
            version = version._neighbour
        entries = version._entries
        if entries is None:
            raise RuntimeError("a family of versions has lost its dict")
        for target in reversed(path):
            undo_back: dict[K, V | _Absent] = {}
            for key, value in target._undo.items():
                undo_back[key] = entries.get(key, _ABSENT)
                if isinstance(value, _Absent):
                    entries.pop(key, None)
                else:
                    entries[key] = value
            version._entries, version._neighbour, version._undo = None, target, undo_back
            target._entries, target._neighbour, target._undo = entries, None, {}
            version = target
        return entries

    def get(self, key: K) -> V | None:
        """Read one entry."""
        with self._lock:
            entries = self._entries
            return (entries if entries is not None else self._reroot()).get(key)

    def get_many(self, keys: Iterable[K]) -> list[V | None]:
        """Read many entries."""
        with self._lock:
            get = self._reroot().get
            return [get(key) for key in keys]

    def set_many(self, changes: Mapping[K, V]) -> VersionedMap[K, V]:
        """Return the version in which these entries have these values."""
        with self._lock:
            entries = self._reroot()
            undo: dict[K, V | _Absent] = {key: entries.get(key, _ABSENT) for key in changes}
            entries.update(changes)
            newer: VersionedMap[K, V] = VersionedMap.__new__(VersionedMap)
            newer._entries, newer._neighbour, newer._undo, newer._lock = entries, None, {}, self._lock
            self._entries, self._neighbour, self._undo = None, newer, undo
            return newer

    def to_dict(self) -> dict[K, V]:
        """Copy the whole map."""
        with self._lock:
            return dict(self._reroot())

    def __len__(self) -> int:
        with self._lock:
            return len(self._reroot())

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._reroot()

    def __iter__(self) -> Iterator[K]:
        return iter(self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionedMap) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        raise TypeError("a map is not hashable")

    def __getstate__(self) -> tuple[dict[K, V]]:
        # In a tuple, because an empty state would not be handed back when unpickling.
        return (self.to_dict(),)

    def __setstate__(self, state: tuple[dict[K, V]]) -> None:
        self._entries, self._neighbour, self._undo, self._lock = state[0], None, {}, RLock()
