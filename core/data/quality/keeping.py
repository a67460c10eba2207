"""Holding a version against its rules: which of them fail, in which rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View
from core.data.quality.finding import EXAMPLES, Finding
from core.data.quality.rule_file import rules_of
from core.data.quality.rules import Ask, Broken, Rule
from core.data.sql.sandbox import Sandbox, told
from core.errors import Cancelled, LeptonError

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = "rule"
"""The kind of a finding that says that a rule failed."""


def check_rules(
    lake: Lake,
    view: View,
    rules: Sequence[Rule] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Finding]:
    """The rules that a version breaks, in their order: its data set's, unless others are named.

    A rule that does not suit the columns fails too, for nobody knows whether what it says holds. A
    person's SQL runs in a sandbox that sees this version alone.

    Raises:
        UsageError: the file of rules cannot be read.
        Cancelled: `should_stop` said so.
    """
    version = view.version
    if rules is None:
        rules = rules_of(lake.workspace, version.dataset)
    failed: list[Finding] = []
    for n, rule in enumerate(rules, 1):
        if should_stop():
            raise Cancelled("the check was cancelled")
        try:
            failed += _failed(lake, view, rule, n)
        except Cancelled:
            raise
        except LeptonError as error:
            broken = Broken(f"it does not suit {version.ref}: {error.what}", version.rows)
            found = _finding(rule, n, broken)
            failed.append(replace(found, hint=error.hint or found.hint))
    return failed


def broken_rules(lake: Lake, version: Version) -> list[Finding]:
    """The rules of its data set that a version breaks, as after an import.

    A file of rules that cannot be read is a failure too.
    """
    try:
        if not rules_of(lake.workspace, version.dataset):
            return []
        with lake.open(version) as view:
            return check_rules(lake, view)
    except LeptonError as error:
        return [
            Finding("error", RULE, None, version.rows, str(error), error.hint or "Mend the rules.")
        ]


def _failed(lake: Lake, view: View, rule: Rule, n: int) -> list[Finding]:
    with _asking(lake, view, rule) as ask:
        broken = rule.broken(view.version, ask)
        if broken is None:
            return []
        first: list[tuple[Any, ...]] = []
        if broken.condition is not None:
            first = ask(
                f"SELECT {ROW_ID} FROM rows WHERE {broken.condition} ORDER BY {ROW_ID}"
                f" LIMIT {EXAMPLES}"
            )
    return [_finding(rule, n, broken, tuple(row for (row,) in first))]


@contextmanager
def _asking(lake: Lake, view: View, rule: Rule) -> Iterator[Ask]:
    """What runs SQL for a rule: the view, or for a person's SQL a sandbox."""
    import duckdb

    if not rule.typed_sql:

        def ask(query: str) -> list[tuple[Any, ...]]:
            try:
                return view.sql(query)
            except duckdb.Error as error:
                raise told(error) from error

        yield ask
        return
    with Sandbox(lake.workspace, {"rows": view.version}) as sandbox:

        def guarded(query: str) -> list[tuple[Any, ...]]:
            with sandbox.stream(query) as answer:
                listed = [batch.to_pylist() for batch in answer.batches]
            return [tuple(row.values()) for batch in listed for row in batch]

        yield guarded


def _finding(rule: Rule, n: int, broken: Broken, examples: tuple[int, ...] = ()) -> Finding:
    return Finding(
        "error",
        RULE,
        rule.column_name,
        broken.rows,
        what=f"rule {n} ({rule.check}) fails, {rule.in_words()}: {broken.what}",
        hint=rule.why or "Mend the rows or the source; or change the rule, if it asks too much.",
        examples=examples,
        mend=broken.mend,
        condition=broken.condition,
    )
