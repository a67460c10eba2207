"""Putting an answer right from the screen: the label is asked for, and kept in the data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from core.errors import LeptonError
from core.inference.correcting import Corrected, correct
from core.inference.messages import Answer, Row
from screens.base import LeptonScreen
from screens.infer.tried import Tried, typed
from screens.text import plain
from screens.widgets.ask import Ask
from screens.widgets.pick import Pick

Kept: TypeAlias = Callable[[Row, int, tuple[str, int], str], None]


class Correcting:
    """Asks which label a row has: one of those that the model knows, or what is typed. `kept` is
    told the row, its number among the answers, where it stands now, and its label."""

    def __init__(self, screen: LeptonScreen, kept: Kept) -> None:
        self._screen = screen
        self._kept = kept

    def ask(self, tried: Tried, at: int) -> None:
        row, answer = tried.rows[at], tried.answers[at]
        if answer.error is not None:
            error = LeptonError("what cannot be read has no label", where=row.input)
            self._screen.show_error(error)
            return
        dataset = str(tried.model.info.get("dataset") or "")
        there = row.place is not None and row.place[0].partition("@")[0] == dataset
        kept = (
            f"It becomes the label of row {row.place[1]} of {dataset}, in a new version."
            if there and row.place
            else f"It becomes a new row of {dataset or 'the data set'}, in a new version."
        )

        def said(label: str | None) -> None:
            if label is not None:
                self._keep(tried, at, label)

        self._screen.app.push_screen(_question(answer, kept), said)

    def _keep(self, tried: Tried, at: int, label: str) -> None:
        screen, row = self._screen, tried.rows[at]

        def work() -> Corrected:
            return correct(screen.workspace, tried.model, [row], label)

        def done(made: Corrected) -> None:
            ((_, number),) = made.places
            what = "has a new row" if made.added else "says so of row"
            screen.notify(
                plain(f"{made.version.ref} {what} {number}: {label}"),
                title="Kept for the next training",
                markup=False,
            )
            self._kept(row, at, (made.version.ref, number), label)

        screen.fetch(work, done, group="correct")


def _question(answer: Answer, kept: str) -> Pick | Ask:
    question = "What is it?"
    if answer.label is not None:
        labels = sorted(answer.scores, key=lambda label: -answer.scores[label])
        # It was wrong, or nobody would ask: the next likely one is the first offer.
        return Pick(question, labels, first=1, explained=kept)
    return Ask(question, value=typed(answer), explained=kept)
