"""How good a model is on parts of the rows: by a column's values, or where a condition holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID
from core.data.sql.selection import Selection
from core.errors import UsageError, nearest
from core.evaluation.bootstrap import Interval, Plan, drawn, intervals
from core.evaluation.judge import Judgement
from core.evaluation.measure import scored
from core.tasks.base import Task

Array = np.ndarray[Any, Any]

FEW = 30
"""Examples below which a slice's numbers are marked as too few to say anything."""
MOST_VALUES = 20
"""A column's commonest values that are slices of their own."""
MOST_NUMBERS = 10
"""Different numbers up to which each is a slice; of more, the quarters of the rows are."""
NONE, OTHERS, REST = "(none)", "(others)", "(all others)"
_NAME = re.compile(r"\w+")
_SLICED = re.compile(
    r"VARCHAR|BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT|FLOAT|DOUBLE|DEC|DATE|TIME|ENUM|UUID"
)


@dataclass(frozen=True)
class Slice:
    """Rows that are looked at by themselves: `of` is what was asked, `name` which part it is."""

    of: str
    name: str
    rids: Array


class Slicing:
    """Columns and SQL conditions that part the rows of a version.

    A condition runs in the sandbox, once, when this is made; its rows are one slice, all others
    another.
    """

    def __init__(self, lake: Lake, version: Version, asked: Sequence[str]) -> None:
        """Look at what was asked, before anything is judged.

        Raises:
            UsageError: there is no such column, its values are no names, numbers or times, or the
                condition cannot be read.
            LeptonError: the condition takes more memory than it may.
        """
        self._lake = lake
        self._version = version
        self._asked = list(dict.fromkeys(each.strip() for each in asked))
        self._holding = {}
        for each in self._asked:
            if each in version.column_names:
                _check_column(version, each)
            else:
                self._holding[each] = _holding(lake, version, each)

    def of(self, rids: Array) -> list[Slice]:
        """The parts of the rows with these ids, int64; those of a column without rows are left
        out."""
        rows = np.unique(rids)
        found = []
        for each in self._asked:
            if each in self._holding:
                inside = np.isin(rows, self._holding[each])
                found += [Slice(each, each, rows[inside]), Slice(each, REST, rows[~inside])]
            else:
                found += list(_by_column(self._lake, self._version, each, rows))
        return found


def sliced(
    told: Judgement, slices: Sequence[Slice], metrics: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Each slice with its "rows", "metrics", "intervals" and "baseline".

    "few" marks a slice of fewer than `FEW` examples. "than_all" is "better" or "worse" where the
    interval of the task's metric leaves out what the model reaches on all rows, its `metrics`.
    """
    return [_told(told, each, metrics[told.task.metric]) for each in slices]


def _told(told: Judgement, part: Slice, whole: float) -> dict[str, Any]:
    rows = np.flatnonzero(np.isin(told.rids, part.rids))
    count = len(rows)
    head = {"by": part.of, "slice": part.name, "rows": count, "few": count < FEW}
    if not count:
        return head | {"metrics": {}, "intervals": {}, "baseline": {}, "than_all": None}
    few = told.taken(rows)
    side, naive = (scored(told.task, each, few.target) for each in (few.found, few.naive))
    metrics = side.whole(count)
    plan = Plan.of(side.cost, told.task.overlap)
    (draws,) = drawn(plan, count, [side.of])
    reach = intervals(draws, count)
    own = reach.get(told.task.metric)
    return head | {
        "metrics": metrics,
        "intervals": {name: reach.get(name) for name in metrics},
        "baseline": naive.whole(count),
        "than_all": None if count < FEW else _than(own, whole, told.task),
    }


def _than(own: Interval, whole: float, task: Task) -> str | None:
    if own is None or own[0] <= whole <= own[1]:
        return None
    return "better" if (own[0] > whole) == task.higher_is_better else "worse"


def _holding(lake: Lake, version: Version, condition: str) -> Array:
    """The rows of the version for which a condition holds, int64."""
    if _NAME.fullmatch(condition):
        hint = nearest(condition, version.column_names)
        raise UsageError(f'{version.ref} has no column "{condition}"', hint=hint)
    with Selection(lake, version, condition) as selection:
        return np.array(selection.ids)


def _check_column(version: Version, column: str) -> None:
    about = version.column(column)
    if about.media or not _SLICED.match(about.type) or about.type.endswith("]"):
        raise UsageError(
            f'"{column}" makes no slices: its values are of the type {about.media or about.type}',
            where=version.ref,
            hint="Name a column of names, numbers or times, or write a condition.",
        )


def _by_column(lake: Lake, version: Version, column: str, rids: Array) -> Iterator[Slice]:
    with lake.open(version) as view:
        batches = [*view.batches([column])]
    if not batches:
        return
    values = pa.chunked_array([each.column(column) for each in batches])
    ids = np.concatenate([each.column(ROW_ID).to_numpy() for each in batches])
    judged = np.isin(ids, rids)
    values, ids = values.filter(pa.array(judged)), ids[judged]
    distinct = len(pc.unique(values.drop_null()))
    ordered = not (pa.types.is_boolean(values.type) or _is_text(values.type))
    parts = _quarters(values) if ordered and distinct > MOST_NUMBERS else _values(values)
    for name, inside in parts:
        if inside.any():
            yield Slice(column, name, ids[inside])


def _values(values: pa.ChunkedArray) -> Iterator[tuple[str, Array]]:
    """Each of the commonest values, the first one first, then all others, then none."""
    coded = values.combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names = coded.dictionary.to_pylist()
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    for code in order[:MOST_VALUES]:
        yield _written(names[code]), codes == code
    yield OTHERS, np.isin(codes, order[MOST_VALUES:])
    yield NONE, codes < 0


def _quarters(values: pa.ChunkedArray) -> Iterator[tuple[str, Array]]:
    """The quarters of the rows by a number or a time, then those without one."""
    whole = values.combine_chunks()
    order = pc.array_sort_indices(whole).to_numpy()
    known = len(whole) - whole.null_count
    at = [round(known * share / 4) for share in range(5)]
    edges = [whole[int(order[min(each, known - 1)])] for each in at]
    low = pc.greater_equal(whole, edges[0])
    for number in range(4):
        last = number == 3
        upper = edges[number + 1]
        below = pc.less_equal(whole, upper) if last else pc.less(whole, upper)
        inside = pc.and_(low, below).fill_null(False).to_numpy(zero_copy_only=False)
        ends = _written(edges[number].as_py()), _written(upper.as_py())
        yield f"{ends[0]} to {'' if last else 'below '}{ends[1]}", inside
        low = pc.greater_equal(whole, upper)
    yield NONE, whole.is_null().to_numpy(zero_copy_only=False)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _written(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
