"""Rows as numbers: a code for each row's class, group, time or hash, in the order of the rows.

DuckDB does the work on the values, so only numbers reach Python, whatever the column holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.data.lake.moments import moment
from core.data.lake.version import FRACTIONS, WHOLE, Version
from core.data.lake.view import ROW_ID, View, quoted
from core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CLASSES = 1000
TIMES = ("DATE", "TIME", "TIMESTAMP")
# Longer text is told apart by its MD5, so that a column of documents does not fill the memory.
LONGEST = 64


def numbers(view: View, expression: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Row ids in their order, and the number that an SQL expression gives for each row."""
    import numpy as np

    table = view.arrow(f"SELECT {ROW_ID}, {expression} AS number FROM rows")
    ids, numbers = table[ROW_ID].to_numpy(), table["number"].to_numpy()
    if (np.diff(ids) > 0).all():
        return ids, numbers
    order = np.argsort(ids)
    return ids[order], numbers[order]


def codes(view: View, column: str | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids, and a number for each row's value in the column (all 0 without one).

    Values are numbered in the order of their text, so that neither row order nor files matter;
    those that are missing are one value.
    """
    if column is None:
        return numbers(view, "CAST(0 AS BIGINT)")
    return _ranked(view, _short_text(view.version, column))


def classes(view: View, column: str | None) -> NDArray[np.int64] | None:
    """The classes of the rows; None when no column is named, or it has too many for classes.

    Each class keeps a training row: where nearly every row is a class of its own, next to none
    would be left for the other parts.
    """
    if column is None:
        return None
    text = _short_text(view.version, column)
    most = min(MOST_CLASSES, view.version.rows * 3 // 4)
    few = f"SELECT DISTINCT {text} FROM rows LIMIT {most + 1}"
    if view.sql(f"SELECT count(*) FROM ({few})")[0][0] > most:
        return None
    return codes(view, column)[1]


def _ranked(view: View, value: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids, and the place of each row's value among the different ones; -1 for NULL."""
    import numpy as np

    table = view.arrow(
        f"WITH valued AS (SELECT {ROW_ID}, {value} AS v FROM rows), ranked AS"
        " (SELECT v, row_number() OVER (ORDER BY v) - 1 AS code"
        " FROM (SELECT DISTINCT v FROM valued WHERE v IS NOT NULL))"
        f" SELECT {ROW_ID}, coalesce(code, -1) AS code FROM valued LEFT JOIN ranked USING (v)"
    )
    ids, codes = table[ROW_ID].to_numpy(), table["code"].to_numpy()
    order = np.argsort(ids)
    return ids[order], codes[order]


def _text(version: Version, column: str) -> str:
    """SQL for a value as text; for the bytes of an image, their MD5."""
    name = quoted(column)
    if column != ROW_ID and version.column(column).type == "BLOB":
        return f"md5({name})"
    return f"CAST({name} AS VARCHAR)"


def _short_text(version: Version, column: str) -> str:
    text = f"coalesce({_text(version, column)}, '')"
    if version.column(column).type != "VARCHAR":
        return text
    told_apart = f"left({text}, 32) || md5({text})"
    return f"CASE WHEN length({text}) <= {LONGEST} THEN {text} ELSE {told_apart} END"


def times(view: View, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids, and the place of each row's time among the different ones; -1 where it has none.

    Raises:
        UsageError: the column holds no times or numbers.
    """
    name, kind = quoted(column), view.version.column(column).type
    value = name
    if kind in FRACTIONS:
        value = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    elif kind == "VARCHAR":
        value = moment(name)
        ((odd,),) = view.sql(f"SELECT min({name}) FROM rows WHERE ({value}) IS NULL")
        if odd is not None:
            raise UsageError(
                f'the column "{column}" holds text that is no time, such as "{odd[:40]}"',
                where=view.version.ref,
                hint="Write times as 2024-05-31 or 2024-05-31 17:00:00.",
            )
    elif kind not in (*WHOLE, *FRACTIONS) and not kind.startswith((*TIMES, "DECIMAL")):
        raise UsageError(
            f'the column "{column}" is {kind}, which has no order in time', where=view.version.ref
        )
    return _ranked(view, value)


def hashes(
    view: View, column: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.bool_]]:
    """Row ids, a hash of each row's value, and whether it has one.

    MD5 is the same in every release of every library; the last eight bytes of it are the hash.
    """
    text = _text(view.version, column)
    ids, hashes = numbers(view, f"coalesce(md5_number_lower('{int(seed)}:' || {text}), 0)")
    known = numbers(view, f"{quoted(column)} IS NOT NULL")[1].astype(bool)
    return ids, hashes, known
