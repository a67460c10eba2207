"""A cache bounded in bytes: the least recently used goes first, what is in use stays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

CACHE_BYTES = 4 << 30
"""What the models in memory hold at most, where nobody says otherwise."""


class Holdable(Protocol):
    """Anything that knows how many bytes it holds, and is told when it is let go."""

    @property
    def bytes(self) -> int: ...

    def close(self) -> None: ...


Held = TypeVar("Held", bound=Holdable)


@dataclass
class _Entry(Generic[Held]):
    value: Held | None = None
    users: int = 0
    loading: threading.Lock = field(default_factory=threading.Lock)


class Cache(Generic[Held]):
    """Values by key, loaded on demand; thread-safe.

    Many threads that want the same missing value load it once. A value larger than the whole bound
    is kept while it is in use and let go afterwards.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, _Entry[Held]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return self._bytes()

    def values(self) -> list[Held]:
        """What is held, the least recently used first."""
        with self._lock:
            return [e.value for e in self._entries.values() if e.value is not None]

    def holds(self, key: Hashable) -> bool:
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and entry.value is not None

    @contextmanager
    def use(self, key: Hashable, load: Callable[[], Held]) -> Iterator[Held]:
        """The value of `key`, which stays at least until the end of the block."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            entry.users += 1
        try:
            with entry.loading:
                if entry.value is None:
                    entry.value = load()
                    with self._lock:
                        self._shrink()
            yield entry.value
        finally:
            with self._lock:
                entry.users -= 1
                self._shrink()

    def clear(self) -> None:
        """Let go of all that is not in use."""
        with self._lock:
            self._shrink(0)

    def _bytes(self) -> int:
        return sum(e.value.bytes for e in self._entries.values() if e.value is not None)

    def _shrink(self, most_bytes: int | None = None) -> None:
        bound = self.most_bytes if most_bytes is None else most_bytes
        held = self._bytes()
        for key, entry in list(self._entries.items()):
            if entry.users:
                continue
            if entry.value is None:
                del self._entries[key]
            elif held > bound:
                held -= entry.value.bytes
                del self._entries[key]
                entry.value.close()
