"""The file of rules of a data set: `<home>/rules/NAME.toml`, written by a person.

    [[rule]]
    check = "range"
    column = "age"
    min = 0
    max = 120
    why = "Ages come from the register, which has no others."

Each `[[rule]]` says in `check` what kind it is; the settings of each kind are in `rules.py` and in
the template that `lepton data rules NAME --init` writes. `why` goes with any of them, and is shown
when the rule fails. Where `column` is a setting, `columns` is none, and the other way round.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from core import toml
from core.atomic import write_text
from core.data.lake.version import Version
from core.data.quality.rules import KINDS, Rule, Scalar
from core.errors import UsageError, nearest
from core.workspace import Workspace, written_path

WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dt.date: "a date",
    dt.datetime: "a date and time",
}


def rules_path(workspace: Workspace, dataset: str) -> Path:
    """Where the rules of a data set are, or would be."""
    return workspace.home / "rules" / f"{dataset}.toml"


def rules_of(workspace: Workspace, dataset: str) -> list[Rule]:
    """The rules of a data set; none where there is no file.

    Raises:
        UsageError: the file cannot be read, or a rule of it cannot be.
    """
    path = rules_path(workspace, dataset)
    return load_rules(path) if path.exists() else []


def load_rules(path: str | Path) -> list[Rule]:
    """Read a file of rules.

    Raises:
        UsageError: it is not there or no TOML, or a rule of it cannot be; the error names the file,
            the rule and the setting.
    """
    path = written_path(path)
    hint = "Begin a file of rules with: lepton data rules DATASET --init"
    document = toml.read(path, "the rules", hint=hint)
    unknown = [key for key in document if key != "rule"]
    given = document.get("rule", [])
    if unknown or not isinstance(given, list):
        key = unknown[0] if unknown else "rule"
        raise UsageError(
            f'a file of rules has no "{key}"' if unknown else '"rule" is no list of tables',
            where=str(path),
            hint='Each rule begins with a line [[rule]] and says check = "…".',
        )
    try:
        return [_rule(each, n) for n, each in enumerate(given, 1)]
    except UsageError as error:
        raise UsageError(error.what, where=str(path), hint=error.hint) from error


def write_template(workspace: Workspace, version: Version) -> Path:
    """Write a file of rules for a data set in which all are comments, with its own columns.

    Raises:
        UsageError: it has one already.
    """
    path = rules_path(workspace, version.dataset)
    if path.exists():
        raise UsageError(
            "there are rules already",
            where=str(path),
            hint=f"See them: lepton data rules {version.dataset}",
        )
    path.parent.mkdir(exist_ok=True)
    write_text(path, template(version))
    return path


def template(version: Version) -> str:
    """Every kind of rule as comments, for a person to change."""
    columns = ", ".join(f"{column.name} ({column.type})" for column in version.columns)
    lines = [
        f"Rules for the data set {version.dataset}.",
        f"Try them: lepton data rules {version.dataset}",
        "They run on every import and with `lepton data check`; one that fails gives exit code 1.",
        f"Columns: {' '.join(columns.split())}",
    ]
    blocks = ["\n".join(f"# {line}" for line in lines)]
    for kind, rule in KINDS.items():
        body = ["[[rule]]", f'check = "{kind}"', *rule.example.splitlines()]
        blocks.append("\n".join([f"# {rule.help}", *(f"# {line}" for line in body)]))
    return "\n\n".join(blocks) + "\n"


def _rule(given: Any, n: int) -> Rule:
    if not isinstance(given, Mapping):
        raise UsageError(f"rule {n} is no table of settings", hint="Begin it with [[rule]].")
    settings = dict(given)
    kind = settings.pop("check", None)
    if kind is None:
        raise UsageError(
            f'rule {n} does not say what to check: "check" is missing',
            hint=f"There are: {', '.join(KINDS)}.",
        )
    if kind not in KINDS:
        raise UsageError(f'rule {n}: there is no check "{kind}"', hint=nearest(str(kind), KINDS))
    where = f'rule {n} ("{kind}")'
    rule = KINDS[kind]
    hints = get_type_hints(rule)
    fields = {each.name.replace("_", "-"): each for each in dataclasses.fields(rule)}
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in fields:
            raise UsageError(f'{where}: no setting "{key}"', hint=nearest(key, fields))
        values[fields[key].name] = _converted(value, hints[fields[key].name], f'{where}: "{key}"')
    for key, each in fields.items():
        if each.default is dataclasses.MISSING and each.name not in values:
            raise UsageError(f'{where}: "{key}" is missing', hint=rule.help)
    made = rule(**values)
    try:
        made.refuse()
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", hint=error.hint) from error
    return made


def _converted(value: Any, hint: Any, where: str) -> Any:
    """The value as the setting has it: a list for several, even where one was given."""
    if get_origin(hint) is tuple:
        listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if not listed:
            raise UsageError(f"{where} is empty")
        return tuple(_converted(each, get_args(hint)[0], where) for each in listed)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    # A truth value is a whole number to Python, and a date with a time is a date.
    right = type(value) in kinds or (float in kinds and type(value) is int)
    if not right:
        wanted = "one value" if hint == Scalar else " or ".join(WORDS[kind] for kind in kinds)
        raise UsageError(f"{where} has to be {wanted}", hint=f'It is "{value}".')
    return value
