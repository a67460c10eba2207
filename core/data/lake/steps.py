"""The step that made a version, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from core.data.lake.version import Version

LONGEST_VALUE = 40
QUIET = frozenset({"rows", "rejects", "notes", "seed", "way"})


def in_words(version: Version) -> str:
    """Such as `import plants.csv`, `clean: fill, clip`, `split 80/10/10 by label`."""
    params = version.params
    if version.op == "split":
        return _split(params)
    if version.op == "restore":
        return f"restore of {', '.join(version.parents)}"
    if version.op == "label":
        labels = params.get("labels", {}).items()
        return f"label {', '.join(f'{name} of {n:,} row' + 's' * (n != 1) for name, n in labels)}"
    if version.op in ("import", "append") and isinstance(params.get("source"), str):
        return f"{version.op} {PurePath(params['source']).name or params['source']}"
    if steps := params.get("steps"):
        return f"{version.op}: {', '.join(each['step']['do'] for each in steps)}"
    told = [
        f"{name}={_short(value)}"
        for name, value in params.items()
        if name not in QUIET and value not in (None, "", [], {}, False)
    ]
    return " ".join([version.op, *told[:4], *(["…"] if len(told) > 4 else [])])


def not_placed(params: Mapping[str, Any]) -> str | None:
    """What a split by time or by hash says of the rows that it found no place for; None of none."""
    count = params.get("no_place")
    if not count:
        return None
    what, column = ("time", params["time"]) if params.get("time") else ("value", params["hash"])
    rows, they = (f"{count:,} rows have", "they are") if count > 1 else ("1 row has", "it is a")
    return f'{rows} no {what} in "{column}": {they} training row{"s" * (count > 1)}'


def _split(params: Mapping[str, Any]) -> str:
    by = params.get("by")
    with_classes = f" by {by}" if by else ""
    if params.get("folds"):
        words = f"split into {params['folds']} folds"
        if params.get("fold") is not None:
            words += f", testing on {params['fold']}"
    else:
        words = f"split {_shares(params)}"
    for name, said in (("group", "whole"), ("time", "in time by"), ("hash", "by hash of")):
        if params.get(name):
            words += f" {said} {params[name]}"
    if count := params.get("no_place"):
        words += f" ({count:,} row{'s have' if count > 1 else ' has'} none)"
    return words + with_classes


def _shares(params: Mapping[str, Any]) -> str:
    validation, test = params.get("validation"), params.get("test")
    if not isinstance(validation, int | float) or not isinstance(test, int | float):
        return "with validation rows"
    return "/".join(f"{100 * share:.3g}" for share in (1 - validation - test, validation, test))


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{len(value)}}}"
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
