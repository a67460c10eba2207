"""Training, validation and test rows: chosen once, and stored with the version.

There is one way for each danger. Classes keep their shares (`by`), what belongs together is not
parted (`group`), the future does not train (`time`), rows stay where they are as others come
(`hash`), and every row is tested once (`folds`). `partition` has the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from core.data.lake.lake import Lake
from core.data.lake.version import INTEGERS, Version
from core.data.lake.view import ROW_ID, SPLIT, View
from core.data.splitting import coded, partition
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
FOLD = "fold"
MOST_FOLDS = 1000
CATEGORICAL = ("VARCHAR", "BOOLEAN")
_CLASSED = ("classification", "regression")
"""Tasks whose targets repeat, by the end of their names."""


class How(TypedDict, total=False):
    """The arguments of `planned`."""

    validation: float
    test: float
    seed: int
    random: bool
    by: str | None
    group: str | None
    time: str | None
    hash: str | None
    folds: int | None
    fold: int | None


@dataclass(frozen=True)
class Plan:
    """The rows of a version with the part each would go to, int8 [rows], or the fold, int64 [rows].

    Parts are numbers into `PARTS`, -1 for none. `params` go with the version that `keep` makes.
    """

    version: Version
    ids: NDArray[np.int64]
    params: dict[str, Any]
    parts: NDArray[np.int8] | None = None
    fold: NDArray[np.int64] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each part gets; without parts, each fold."""
        import numpy as np

        if self.parts is not None:
            return {name: int(np.count_nonzero(self.parts == i)) for i, name in enumerate(PARTS)}
        assert self.fold is not None
        return {str(i): int(n) for i, n in enumerate(np.bincount(self.fold))}


def split(lake: Lake, ref: str | Version, **how: Unpack[How]) -> Version:
    """Choose training, validation and test rows of a data set anew, as its next version.

    Ways, arguments and errors are those of `planned`.
    """
    return keep(lake, planned(lake, ref, **how))


def planned(
    lake: Lake,
    ref: str | Version,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    random: bool = False,
    by: str | None = None,
    group: str | None = None,
    time: str | None = None,
    hash: str | None = None,
    folds: int | None = None,
    fold: int | None = None,
) -> Plan:
    """Choose training, validation and test rows; nothing is kept.

    `validation` and `test` are fractions of the rows. The share of each class is kept in every
    part: of the column `by`, or of the target where that has classes, unless it is to be `random`.
    The same seed gives the same parts; every class keeps at least one training row. Other ways to
    choose:

    - `group` names a column whose equal values must not be parted, such as a patient or a document.
      With `by` too, the shares of the classes are kept as nearly as whole groups allow.
    - `time` names a column to order by: the oldest rows train, the newest are test rows, and equal
      times are not parted. A row without a time trains; `no_place` in `params` counts them.
    - `hash` names a column, or `_rid`: a row's part depends on nothing but that value and the seed,
      so it stays as rows are added. A row without a value trains, and is counted likewise.
    - `folds` gives each row a number in the column `fold`, 0 to folds-1, of equal sizes and shares,
      or of whole groups. With `fold`, that fold becomes test, the next one validation, and the rest
      train; `fold` alone reads the column that is there.

    Raises:
        UsageError: the fractions cannot be, there is no such column, or ways do not go together.
        LeptonError: there are too few rows, groups, times or values.
    """
    import numpy as np

    version = lake.version(ref)
    _check_way(
        version, random=random, by=by, group=group, time=time, hash=hash, folds=folds, fold=fold
    )
    if not random and by is None and not (group or time or hash):
        by = version.target if has_classes(version, version.target) else None
    if folds is not None or fold is not None:
        return _into_folds(lake, version, folds, fold, seed=seed, by=by, group=group)
    _check_fractions(validation, test)
    way = "time" if time else "hash" if hash else "group" if group else None
    wanted, no_place = 1 + (validation > 0) + (test > 0), 0
    if version.rows < wanted:
        rows = "1 row is" if version.rows == 1 else f"{version.rows} rows are"
        raise LeptonError(f"{rows} too few to make {wanted} parts of", where=version.ref)
    with lake.open(version) as view:
        if time:
            ids, codes = coded.times(view, time)
            parts = partition.in_time(codes, validation, test)
            no_place = int(np.count_nonzero(codes < 0))
        elif hash:
            ids, hashes, known = coded.hashes(view, hash, seed)
            parts = partition.by_hash(hashes, validation, test)
            parts[~known] = partition.TRAIN
            no_place = int(np.count_nonzero(~known))
        elif group:
            ids, groups = coded.codes(view, group)
            classes = coded.classes(view, by)
            shares = (1 - validation - test, validation, test)
            parts = partition.grouped(groups, shares, seed, classes).astype("int8")
            by = None if classes is None else by
        else:
            classes = coded.classes(view, by)
            ids, codes = coded.codes(view, None)
            by = None if classes is None else by
            codes = codes if classes is None else classes
            parts = partition.stratified(codes, validation, test, seed)
    column = time or hash or group
    if column and len(set(parts.tolist())) < wanted:
        raise LeptonError(
            f'column "{column}" has too few {_EACH[way or ""]} to make {wanted} parts of',
            where=version.ref,
            hint="Split by another column, or with other shares.",
        )
    params: dict[str, Any] = {"way": way or ("stratified" if by else "random")}
    params |= {"validation": validation, "test": test, "seed": seed, "by": by, "group": group}
    params |= {name: value for name, value in (("time", time), ("hash", hash)) if value}
    params |= {"no_place": no_place} if no_place else {}
    return Plan(version, ids, params, parts)


_EACH = {"group": "groups", "time": "different times", "hash": "different values"}


class ForTraining(TypedDict, total=False):
    """The arguments of `lacking_split`."""

    target: str | None
    task: str | None
    time: str | None
    random: bool
    validation: float
    test: float
    seed: int


def ensure_split(lake: Lake, ref: str | Version, **how: Unpack[ForTraining]) -> Version:
    """A version that training can use: the one that is meant, or the next one with `lacking_split`.

    Arguments and errors are those of `lacking_split`.
    """
    plan = lacking_split(lake, ref, **how)
    return lake.version(ref) if plan is None else keep(lake, plan)


def lacking_split(
    lake: Lake,
    ref: str | Version,
    *,
    target: str | None = None,
    task: str | None = None,
    time: str | None = None,
    random: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Plan | None:
    """What a version lacks for training: training and validation rows, all of them marked.

    Where the source came with a split it is kept, and only validation rows that are missing are
    taken from the training rows; where it came without, all three parts are made. None: the version
    has what is needed. With a column `time`, the newest rows are test rows,
    and of the training rows those that are missing; at `random`, no class keeps its share.

    Raises:
        UsageError: the fractions cannot be, or no row is marked for training.
        LeptonError: there are too few rows.
    """
    import numpy as np

    _check_fractions(validation, test)
    version = lake.version(ref)
    target = target or version.target
    column = target if not random and has_classes(version, target, task) else None
    if SPLIT not in version.column_names:
        how: How = {"validation": validation, "test": test, "seed": seed}
        how |= {"time": time} if time else {"by": column, "random": column is None}
        return planned(lake, version, **how)
    with lake.open(version) as view:
        counts = view.splits()
        if "train" not in counts:
            raise UsageError(
                "no row is marked for training",
                where=version.ref,
                hint=f"Make a split: lepton data split {version.dataset}",
            )
        if "validation" in counts:
            return None
        marks = f"CASE {SPLIT} WHEN 'train' THEN 0 WHEN 'test' THEN 2 ELSE -1 END"
        ids, marked = coded.numbers(view, marks)
        classes = None if time else coded.classes(view, column)
        times = coded.times(view, time)[1] if time else None
    train = marked == partition.TRAIN
    if train.sum() < 2:
        raise LeptonError("one training row is too few to train on", where=version.ref)
    parts = marked.astype(np.int8)
    if times is None:
        codes = np.zeros(len(ids), np.int64) if classes is None else classes
        parts[train] = partition.stratified(codes[train], validation, 0.0, seed)
    else:
        parts[train] = partition.in_time(times[train], validation, 0.0)
    by = None if classes is None else column
    way = "time" if time else "stratified" if by else "random"
    params: dict[str, Any] = {"way": way, "validation": validation}
    params |= {"test": "kept", "seed": seed, "by": by, "group": None}
    params |= {"time": time} if time else {}
    no_place = 0 if times is None else int(np.count_nonzero(times[train] < 0))
    params |= {"no_place": no_place} if no_place else {}
    return Plan(version, ids, params, parts)


def _into_folds(
    lake: Lake,
    version: Version,
    count: int | None,
    which: int | None,
    *,
    seed: int,
    by: str | None,
    group: str | None,
) -> Plan:
    """Number the folds, or read the numbers that are there; make the parts of one, if named."""
    with lake.open(version) as view:
        if count is None:
            ids, fold = _stored_folds(view)
            count, by = int(fold.max()) + 1, None
        elif group:
            ids, groups = coded.codes(view, group)
            if groups.max() + 1 < count:
                raise LeptonError(
                    f'column "{group}" has too few groups to make {count} folds of',
                    where=version.ref,
                )
            classes = coded.classes(view, by)
            by = None if classes is None else by
            fold = partition.grouped(groups, [1 / count] * count, seed, classes)
        else:
            if version.rows < count:
                raise LeptonError(
                    f"{version.rows} rows are too few to make {count} folds of", where=version.ref
                )
            classes = coded.classes(view, by)
            by = None if classes is None else by
            ids, codes = coded.codes(view, None)
            fold = partition.folds(codes if classes is None else classes, count, seed)
    if which is not None and which >= count:
        raise UsageError(
            f"there is no fold {which}",
            where=version.ref,
            hint=f"There are folds 0 to {count - 1}.",
        )
    params = {"way": "folds", "folds": count, "fold": which, "seed": seed, "by": by, "group": group}
    parts = None if which is None else partition.parts_of_fold(fold, which, count)
    return Plan(version, ids, params, parts, fold)


def _stored_folds(view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    version = view.version
    if FOLD not in version.column_names:
        raise UsageError(
            'there is no column "fold"',
            where=version.ref,
            hint=f"Make the folds too: lepton data split {version.ref} --folds 5 --fold 0",
        )
    least = most = None
    if version.column(FOLD).type in INTEGERS:
        ((rows, least, most),) = view.sql(
            f"SELECT count({FOLD}), min({FOLD}), max({FOLD}) FROM rows"
        )
        least = least if rows == version.rows else None
    if least != 0 or not most or not 1 <= most < MOST_FOLDS:
        raise UsageError(
            'the column "fold" does not number folds from 0 up',
            where=version.ref,
            hint="Make them anew: --folds 5",
        )
    return coded.numbers(view, FOLD)


def _check_way(
    version: Version,
    *,
    random: bool,
    by: str | None,
    group: str | None,
    time: str | None,
    hash: str | None,
    folds: int | None,
    fold: int | None,
) -> None:
    ways = {"folds": folds if folds is not None else fold, "time": time, "hash": hash}
    named = [name for name, value in ways.items() if value is not None]
    alone = [name for name in named if name != "folds"]
    # Only folds keep shares unless they are told not to, and rows that are chosen in no other way.
    at_odds = random and (by or group or alone)
    if len(named) > 1 or (alone and (group or by)) or at_odds:
        more = [*named, *(["group"] if group else []), *(["by"] if by else [])]
        more += ["random"] if random else []
        raise UsageError(
            f"{' and '.join(more)} do not go together", hint="Choose one way to split the rows."
        )
    for column in (by, group, time, None if hash == ROW_ID else hash):
        if column is not None:
            version.column(column)
    if folds is not None and not 2 <= folds <= MOST_FOLDS:
        raise UsageError(f"{folds} folds cannot be", hint=f"From 2 to {MOST_FOLDS} can.")
    if fold is not None and fold < 0:
        raise UsageError(f"there is no fold {fold}", hint="The first is 0.")
    if fold is not None and folds is None and (by or group or random):
        raise UsageError(
            "the stored folds have their groups and shares already", hint="Name --folds too."
        )


def _check_fractions(validation: float, test: float) -> None:
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UsageError(
            f"validation {validation:g} and test {test:g} leave no training rows",
            hint="Both are fractions of the rows, such as 0.1, and together less than 1.",
        )


def has_classes(version: Version, column: str | None, task: str | None = None) -> bool:
    """Whether the values of a column can be classes, by its type, and by the task if it is known.

    Each class keeps a training row: of transcripts or boxes, no two alike, nearly all rows would
    train.
    """
    if column is None:
        return False
    task = task or (version.task if column == version.target else None)
    if task and not task.endswith(_CLASSED):
        return False
    return version.column(column).type in (*CATEGORICAL, *INTEGERS)


def keep(lake: Lake, plan: Plan) -> Version:
    """Lay the split, and the folds, over the version; the counts of the parts go with it.

    Raises:
        LeptonError: the disk is full; the lake is as it was.
    """
    import numpy as np
    import pyarrow as pa

    columns: dict[str, Any] = {ROW_ID: plan.ids}
    if plan.fold is not None:
        columns[FOLD] = plan.fold.astype(np.int32)
    if plan.parts is not None:
        indices = pa.array(plan.parts, mask=plan.parts < 0)
        marks = pa.DictionaryArray.from_arrays(indices, pa.array(PARTS))
        columns[SPLIT] = marks.cast(pa.string())
    params = {**plan.params, "rows": plan.counts}
    return lake.commit_columns(plan.version, pa.table(columns), op="split", params=params)
