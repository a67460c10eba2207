"""Training, validation and test rows: chosen once, by seed, and stored with the version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.data.lake import Lake
from core.data.version import Version
from core.data.view import ROW_ID, SPLIT
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
MOST_CLASSES = 1000
CATEGORICAL = ("VARCHAR", "BOOLEAN")
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def split(
    lake: Lake,
    ref: str | Version,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    by: str | None = None,
    group: str | None = None,
) -> Version:
    """Choose training, validation and test rows of a data set anew, as its next version.

    `validation` and `test` are fractions of the rows. The share of each class is kept in every
    part: of the column `by`, or of the target where that has classes. `group` names a column whose
    equal values must not be parted, such as a patient or a document. The same seed gives the same
    parts; every class keeps at least one training row.

    Raises:
        UsageError: the fractions cannot be, or there is no such column.
        LeptonError: there are too few rows, or too few groups.
    """
    _check_fractions(validation, test)
    version = lake.version(ref)
    column = group or by
    if column is not None:
        version.column(column)
    elif version.target is not None and _is_class(version, version.target):
        column = by = version.target
    ids, codes = _codes(lake, version, column)
    wanted = 1 + (validation > 0) + (test > 0)
    if len(ids) < wanted:
        raise LeptonError(
            f"{len(ids)} rows are too few to make {wanted} parts of", where=version.ref
        )
    if group is not None:
        parts = _by_group(codes, validation, test, seed)
        if len(set(parts.tolist())) < wanted:
            raise LeptonError(
                f'column "{group}" has too few groups to make {wanted} parts of',
                where=version.ref,
                hint="Split by another column, or without groups.",
            )
    else:
        if codes.max(initial=0) >= MOST_CLASSES or by is None:
            codes, by = codes * 0, None
        parts = _stratified(codes, validation, test, seed)
    params = {"validation": validation, "test": test, "seed": seed, "by": by, "group": group}
    return _commit(lake, version, ids, parts, params)


def ensure_split(
    lake: Lake,
    ref: str | Version,
    *,
    target: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Version:
    """A version that training can use: with training and validation rows, all of them marked.

    Where the source came with a split it is kept, and only validation rows that are missing are
    taken from the training rows; where it came without, all three parts are made. A version that
    has what is needed is returned as it is.

    Raises:
        UsageError: the fractions cannot be, or no row is marked for training.
        LeptonError: there are too few rows.
    """
    _check_fractions(validation, test)
    version = lake.version(ref)
    target = target or version.target
    column = target if target is not None and _is_class(version, target) else None
    if SPLIT not in version.column_names:
        return split(lake, version, validation=validation, test=test, seed=seed, by=column)
    with lake.open(version) as view:
        counts = view.splits()
    if "train" not in counts:
        raise UsageError(
            "no row is marked for training",
            where=version.ref,
            hint=f"Make a split: lepton data split {version.dataset}",
        )
    if "validation" in counts:
        return version
    import numpy as np

    ids, codes, marked = _codes_and_split(lake, version, column)
    train = marked == "train"
    if train.sum() < 2:
        raise LeptonError("one training row is too few to train on", where=version.ref)
    if codes.max(initial=0) >= MOST_CLASSES:
        codes, column = codes * 0, None
    parts = np.full(len(ids), -1, np.int8)
    parts[marked == "test"] = PARTS.index("test")
    parts[train] = _stratified(codes[train], validation, 0.0, seed)
    params = {"validation": validation, "test": "kept", "seed": seed, "by": column, "group": None}
    return _commit(lake, version, ids, parts, params)


def _check_fractions(validation: float, test: float) -> None:
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UsageError(
            f"validation {validation:g} and test {test:g} leave no training rows",
            hint="Both are fractions of the rows, such as 0.1, and together less than 1.",
        )


def _is_class(version: Version, column: str) -> bool:
    return version.column(column).type in (*CATEGORICAL, *INTEGERS)


def _codes(
    lake: Lake, version: Version, column: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids, and a number for each row's value in the column (all 0 without one)."""
    import numpy as np

    table = _table(lake, version, [column] if column else [])
    ids = table[ROW_ID].to_numpy()
    return ids, _encode(table, column) if column else np.zeros(len(ids), np.int64)


def _codes_and_split(
    lake: Lake, version: Version, column: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    import numpy as np

    table = _table(lake, version, [SPLIT, *([column] if column else [])])
    ids = table[ROW_ID].to_numpy()
    codes = _encode(table, column) if column else np.zeros(len(ids), np.int64)
    return ids, codes, table[SPLIT].to_numpy(zero_copy_only=False)


def _table(lake: Lake, version: Version, columns: list[str]) -> pa.Table:
    import pyarrow as pa

    with lake.open(version) as view:
        return pa.Table.from_batches(view.batches(columns, rows=65_536))


def _encode(table: pa.Table, column: str) -> NDArray[np.int64]:
    """Number the values in their sorted order, so that neither row order nor files matter."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.fill_null(pc.cast(table[column], pa.string()), "")
    encoded = text.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    rank = np.argsort(np.argsort(encoded.dictionary.to_numpy(zero_copy_only=False)))
    return np.asarray(rank[encoded.indices.to_numpy()], np.int64)


def _stratified(
    codes: NDArray[np.int64], validation: float, test: float, seed: int
) -> NDArray[np.int8]:
    """Parts (indices into `PARTS`) in which every class has its share.

    What is lost by rounding in one class is made up in the next, so the totals are right too.
    """
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    bounds = np.flatnonzero(np.diff(codes[by_class])) + 1
    parts = np.zeros(len(codes), np.int8)
    owed = {"validation": 0.5, "test": 0.5}
    for rows in np.split(by_class, bounds):
        free = len(rows) - 1
        start = 0
        for name, fraction in (("test", test), ("validation", validation)):
            owed[name] += fraction * len(rows)
            take = min(int(owed[name]), free - start)
            owed[name] -= take
            parts[rows[start : start + take]] = PARTS.index(name)
            start += take
    for name, fraction in (("test", test), ("validation", validation)):
        if fraction > 0 and not (parts == PARTS.index(name)).any():
            train = by_class[parts[by_class] == 0]
            parts[train[-1]] = PARTS.index(name)
    return parts


def _by_group(
    codes: NDArray[np.int64], validation: float, test: float, seed: int
) -> NDArray[np.int8]:
    """Parts made of whole groups: each goes, in shuffled order, where most rows are still owed."""
    import numpy as np

    sizes = np.bincount(codes)
    share = np.array([1 - validation - test, validation, test])
    owed = np.where(share > 0, share * len(codes), -np.inf)
    part_of = np.zeros(len(sizes), np.int8)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Large groups first, for small ones can still even things out.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        part = int(np.argmax(owed))
        part_of[group] = part
        owed[part] -= sizes[group]
    return part_of[codes]


def _commit(
    lake: Lake,
    version: Version,
    ids: NDArray[np.int64],
    parts: NDArray[np.int8],
    params: dict[str, Any],
) -> Version:
    import numpy as np
    import pyarrow as pa

    indices = pa.array(parts, mask=parts < 0)
    marks = pa.DictionaryArray.from_arrays(indices, pa.array(PARTS)).cast(pa.string())
    counts = {name: int(np.count_nonzero(parts == i)) for i, name in enumerate(PARTS)}
    return lake.commit_columns(
        version,
        pa.table({ROW_ID: ids, SPLIT: marks}),
        op="split",
        params={**params, "rows": counts},
    )
