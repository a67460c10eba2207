"""A screen's way to work in a thread, for windows that it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from textual.widget import Widget

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


def while_open(window: Widget, fetch: Fetch[T]) -> Fetch[T]:
    """The same for one window, which is not told what comes once it is closed."""

    def fetch_for_it(
        work: Callable[[], T],
        done: Callable[[T], None],
        *,
        group: str,
        failed: Callable[[LeptonError], None] | None = None,
    ) -> None:
        def came(found: T) -> None:
            if window.is_attached:
                done(found)

        def went_wrong(error: LeptonError) -> None:
            if window.is_attached and failed is not None:
                failed(error)

        fetch(work, came, group=group, failed=failed and went_wrong)

    return fetch_for_it
