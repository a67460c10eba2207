"""Labels: given to rows one by one, by several at once, and published as a version of their own.

They wait in the lake's journal, where they refer to `_rid`. `publish` lays those that hold over the
newest version of the rows, whatever was cleaned or added in the meantime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from core.data.lake.journal import Entry, Label, Source
from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID, literal, quoted
from core.data.lake.version import FRACTIONS, WHOLE, Version
from core.data.lake.view import SPLIT, View
from core.data.lake.writing import Overtaken
from core.data.objects import things_of
from core.data.quality.objects import lists_objects
from core.data.splitting.split import PARTS
from core.errors import UsageError, meant, nearest

if TYPE_CHECKING:
    import pyarrow as pa

OP = "label"
TEXT = "VARCHAR"
SHOWN = 5
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "GEOMETRY")
_NOT_THERE = (
    f"SELECT DISTINCT row FROM given WHERE row NOT IN (SELECT {ROW_ID} FROM rows WHERE {ROW_ID}"
    " BETWEEN (SELECT min(row) FROM given) AND (SELECT max(row) FROM given)) ORDER BY row"
)


class Labels:
    """One column of a version, open for labelling. Use it from one thread at a time.

    Labels are text as a person types it and must fit the type of the column. With `new` the column
    may be one that is not there yet; it then holds text.
    """

    def __init__(
        self, lake: Lake, ref: str | Version, column: str | None = None, *, new: bool = False
    ) -> None:
        """Open a version for labels of a column, or else of its target.

        Raises:
            UsageError: no such data set, version or column, or a column that takes no labels.
            LeptonError: a file of the version is missing.
        """
        self.version = lake.version(ref)
        self.column = _column(lake, self.version, column, new=new)
        self.type = _type(self.version, self.column)
        self._lake = lake
        self._view = lake.open(self.version)
        self._objects = self.column in self.version.column_names and lists_objects(
            self._view, self.version.column(self.column)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._view.close()

    def add(
        self, entries: Sequence[Entry], *, source: Source = "human", author: str | None = None
    ) -> None:
        """Write labels into the journal, all of them or none; on disk when this returns.

        `author` is the person on this machine if not named.

        Raises:
            UsageError: a row is not there, or a label does not fit the column.
        """
        if beyond := [each.row for each in entries if not 0 <= each.row < 2**63]:
            raise self._not_there(beyond)
        self._register(entries)
        if strange := self._view.sql(_NOT_THERE):
            raise self._not_there([row for (row,) in strange])
        _check_values(
            self._view,
            self.column,
            "For labels that are no split name another column: --column NAME --new"
            if self.column == SPLIT
            else "To make the column text: lepton data clean"
            f" {self.version.dataset} --step 'cast columns={self.column} to=text'",
        )
        if self._objects:
            self._check_objects(entries)
        self._lake.labels.add(self.version, self.column, entries, source=source, author=author)

    def _check_objects(self, entries: Iterable[Entry]) -> None:
        for row, value, _ in entries:
            try:
                things_of("[]" if value is None else value)
            except ValueError as error:
                raise UsageError(
                    f'row {row}: "{(value or "")[:40]}" lists no objects: {error}',
                    where=self.version.ref,
                    hint='Such as [{"label": "cat", "bbox": [10, 20, 50, 40]}];'
                    " [] where there is none.",
                ) from error

    def unseen(self, entries: Iterable[Entry]) -> list[str]:
        """Those of the labels that neither the column nor any label that waits has yet."""
        values = {each.value for each in entries if each.value is not None}
        values -= self._lake.labels.values(self.version, self.column)
        if not values or self.column not in self.version.column_names:
            return sorted(values)
        self._register([Entry(0, value) for value in values])
        own = quoted(self.column)
        found = self._view.sql(
            f"SELECT value FROM given WHERE TRY_CAST(value AS {self.type}) NOT IN"
            f" (SELECT {own} FROM rows WHERE {own} IS NOT NULL) ORDER BY value"
        )
        return [value for (value,) in found]

    def _register(self, entries: Iterable[Entry]) -> None:
        self._view.connection.register("given", _table(entries, self.column))

    def _not_there(self, rows: Sequence[int]) -> UsageError:
        return UsageError(
            f"there is no row {_listed(rows)}",
            where=self.version.ref,
            hint=f"Rows are named by their _rid: lepton data rows {self.version.dataset}",
        )


@dataclass(frozen=True)
class Published:
    """What a publication made: how many labels of each column, and the rows that were gone."""

    version: Version
    labels: dict[str, int]
    gone: list[int] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        facts = {"labels": self.labels, "gone": self.gone, "columns_added": self.made}
        return self.version.to_json() | facts


class NothingWaits(UsageError):  # noqa: N818 - what a person asked for is done
    """There is no label that is not in a version already."""


def publish(
    lake: Lake, ref: str, column: str | None = None, params: Mapping[str, Any] | None = None
) -> Published:
    """Lay the labels that wait over the rows, as the next version; of one column or of all.

    A name alone means the newest version, also when that changes while this works. Labels of rows
    that are gone are left out and told. `params` are kept beside what the version says of itself.

    Raises:
        NothingWaits: no label waits.
        UsageError: all their rows are gone, or a label does not fit its column.
        LeptonError: the disk is full; the lake is as it was.
    """
    while True:
        try:
            base, newest = lake.version(ref), "@" not in ref
            return _publish(lake, base, column, params or {}, if_newest=newest)
        except Overtaken:
            continue


def waiting(lake: Lake, name: str) -> list[tuple[Version, int]]:
    """How many labels of a data set wait, each number with the newest version of their rows.

    An import under a name that was there already has rows of its own, so there can be several.

    Raises:
        UsageError: there is no data set of that name.
    """
    newest: dict[str, Version] = {}
    for version in lake.versions(name):
        newest.setdefault(version.origin, version)
    found = ((version, sum(lake.labels.counts(version).values())) for version in newest.values())
    return [(version, count) for version, count in found if count]


def stranded(lake: Lake, version: Version) -> str:
    """The words for labels that wait for other rows of the data set; empty if none do."""
    elsewhere = [
        (ref, count)
        for ref, count in waiting(lake, version.dataset)
        if ref.origin != version.origin
    ]
    if not elsewhere:
        return ""
    told = "; ".join(f"{count:,} for those of {at.ref}" for at, count in elsewhere)
    return (
        f"Labels wait for other rows: {told}."
        f" Publish them there: lepton data label {elsewhere[0][0].ref} --publish"
    )


def _publish(
    lake: Lake,
    base: Version,
    column: str | None,
    params: Mapping[str, Any],
    *,
    if_newest: bool,
) -> Published:
    waits = lake.labels.waiting(base, column)
    if not waits.labels:
        of = f' of "{column}"' if column else ""
        raise NothingWaits(
            f"no labels{of} wait to be published",
            where=base.ref,
            hint=stranded(lake, base)
            or f"Give some: lepton data label {base.dataset} --column COLUMN ROW=LABEL",
        )
    with lake.open(base) as view:
        view.connection.register("given", _table(waits.labels))
        gone = {row for (row,) in view.sql(_NOT_THERE)}
        kept = [label for label in waits.labels if label.row not in gone]
        if not kept:
            raise UsageError(
                f"the labels that wait are for rows that are gone: {_listed(sorted(gone))}",
                where=base.ref,
                hint="Take them back with --undo, or bring the rows back: lepton data restore",
            )
        counts = dict(Counter(label.column for label in kept))
        for name in counts:
            _check_values(view, name, "It may have been cast since: --undo takes the label back.")
        version = lake.commit_columns(
            base,
            _laid_over(base, list(counts)),
            op=OP,
            params={
                "labels": counts,
                "by": sorted({label.author for label in kept}),
                "sources": sorted({label.source for label in kept}),
                "gone": len(gone),
                **params,
            },
            labelled=waits.upto,
            connection=view.connection,
            if_newest=if_newest,
        )
    made = [name for name in counts if name not in base.column_names]
    return Published(version, counts, sorted(gone), made)


def _laid_over(base: Version, columns: Sequence[str]) -> str:
    """SQL for columns with the labels in `given` laid over them, over the rows of a view."""
    listed, joined = [f"r.{ROW_ID}"], ["rows r"]
    for at, name in enumerate(columns):
        own = f"(SELECT row, value FROM given WHERE name = {literal(name)})"
        joined.append(f"LEFT JOIN {own} g{at} ON g{at}.row = r.{ROW_ID}")
        label = f"CAST(g{at}.value AS {_type(base, name)})"
        if name in base.column_names:
            label = f"CASE WHEN g{at}.row IS NULL THEN r.{quoted(name)} ELSE {label} END"
        listed.append(f"{label} AS {quoted(name)}")
    query = f"SELECT {', '.join(listed)} FROM {' '.join(joined)}"
    if not set(columns) & set(base.column_names):
        # Rows that are not among them have no label.
        query += f" WHERE r.{ROW_ID} IN (SELECT row FROM given)"
    return query


def fits(cell: str, kind: str) -> str:
    """SQL for whether a cell that is given, text where it is no file, is of a type as it stands."""
    cast = f"TRY_CAST({cell} AS {kind})"
    if kind in WHOLE:
        # A cast would round.
        of = rf"{cast} IS NOT NULL AND regexp_full_match(trim({cell}), '[+-]?\d+')"
    elif kind in FRACTIONS:
        of = f"isfinite({cast})"
    else:
        of = f"{cast} IS NOT NULL"
    return f"coalesce({of}, false)"


def _check_values(view: View, column: str, hint: str) -> None:
    """Hold the labels of a column in `given` against its type; those of a split, against its parts.

    Raises:
        UsageError: one does not fit.
    """
    if column == SPLIT:
        _check_parts(view, hint)
    kind = _type(view.version, column)
    if kind == TEXT:
        return
    unfit = view.sql(
        f"SELECT row, value FROM given WHERE name = {literal(column)} AND value IS NOT NULL"
        f" AND NOT {fits('value', kind)}"
    )
    if unfit:
        (row, value), *more = unfit
        others = f", and {len(more):,} more" if more else ""
        raise UsageError(
            f'row {row}: "{value[:40]}" does not fit "{column}", which holds {kind.lower()}'
            f"{others}",
            where=view.version.ref,
            hint=hint,
        )


def _check_parts(view: View, hint: str) -> None:
    """Training and judging know these parts alone: a row in another one would be lost to both."""
    known = ", ".join(map(literal, PARTS))
    strange = view.sql(
        f"SELECT row, value FROM given WHERE name = {literal(SPLIT)} AND value NOT IN ({known})"
        " ORDER BY row"
    )
    if strange:
        (row, value), *more = strange
        others = f", and {len(more):,} more" if more else ""
        raise UsageError(
            f'row {row}: "{value[:40]}" is no part of a split{others}: those are'
            f" {', '.join(PARTS)}",
            where=view.version.ref,
            hint=" ".join(filter(None, (meant(value, PARTS), hint))),
        )


def _column(lake: Lake, version: Version, name: str | None, *, new: bool) -> str:
    """The column that labels are for, if it can take them."""
    name = name or version.target
    if name is None:
        raise UsageError(
            "whose labels they are is not said", where=version.ref, hint="Name it: --column COLUMN"
        )
    if name in version.column_names or lake.labels.values(version, name):
        return name
    taken = [each for each in version.column_names if each.lower() == name.lower()]
    if taken or name.lower() == ROW_ID or not name.strip() or "\0" in name:
        raise UsageError(
            f'"{name}" cannot be a new column',
            where=version.ref,
            hint=f'There is "{taken[0]}".' if taken else "Give it another name.",
        )
    if not new:
        close = nearest(name, version.column_names)
        raise UsageError(
            f'no column "{name}"',
            where=version.ref,
            hint=f"{close} --new makes a column of labels.",
        )
    return name


def _type(version: Version, name: str) -> str:
    """The type that labels of a column must fit; a new one holds text.

    Raises:
        UsageError: its cells are no plain values.
    """
    if name not in version.column_names:
        return TEXT
    column = version.column(name)
    if (
        column.media
        or column.type == "BLOB"
        or column.type.startswith(_NESTED)
        or "[" in column.type
    ):
        raise UsageError(
            f'"{name}" takes no labels: it holds {column.media or column.type.lower()}',
            where=version.ref,
            hint="Name another column: --column COLUMN, a new one with --new.",
        )
    return column.type


def _table(labels: Iterable[Entry | Label], name: str = "") -> pa.Table:
    """Labels as the table `given`: (name of the column, row, value)."""
    import pyarrow as pa

    labels = list(labels)
    names = [label.column if isinstance(label, Label) else name for label in labels]
    return pa.table(
        {
            "name": pa.array(names, pa.string()),
            "row": pa.array([label.row for label in labels], pa.int64()),
            "value": pa.array([label.value for label in labels], pa.string()),
        }
    )


def _listed(rows: Sequence[int]) -> str:
    more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return ", ".join(map(str, rows[:SHOWN])) + more
