"""A screen's way to work in a thread, for windows that it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from core.errors import LeptonError

T = TypeVar("T")


class Fetch(Protocol[T]):
    """`LeptonScreen.fetch` for work that brings a `T`."""

    def __call__(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        *,
        group: str,
        failed: Callable[[LeptonError], None] | None = None,
    ) -> None: ...
