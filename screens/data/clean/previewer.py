"""Previews of a recipe's steps, one at a time, over one open version."""

from __future__ import annotations

import threading

from core.data.cleaning.preview import Preview, preview
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import View
from core.errors import Cancelled


class Previewer:
    """Keeps the version open between previews, for the later ones take milliseconds then.

    A newer wish interrupts what an older one still waits for.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._view: View | None = None
        self._lock = threading.Lock()
        self._wish = 0

    def wished(self) -> int:
        """On the event loop: the wish for another preview, or for none; older ones are over.

        Threads start in any order: who took it there could be cancelled by an older one.
        """
        self._wish += 1
        return self._wish

    def preview(self, version: Version, recipe: Recipe, wish: int) -> Preview:
        """In a thread: what the last step does.

        Raises:
            UsageError, LeptonError: as `core.data.cleaning.preview.preview`.
            Cancelled: something else was wished for in the meantime.
        """
        if wish == self._wish and self._lock.locked() and (view := self._view) is not None:
            view.interrupt()
        with self._lock:
            if wish != self._wish:
                raise Cancelled("another preview was asked for")
            if self._view is None or self._view.version.ref != version.ref:
                self._drop()
                self._view = self._lake.open(version)
            return preview(self._lake, self._view, recipe, should_stop=lambda: wish != self._wish)

    def give_up(self, wish: int) -> None:
        """In a thread: end what is under way; the next preview opens the version again."""
        if wish == self._wish and (view := self._view) is not None:
            view.interrupt()
        with self._lock:
            if wish == self._wish:
                self._drop()

    def close(self) -> None:
        """Let go of everything."""
        self.give_up(self.wished())

    def _drop(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None
