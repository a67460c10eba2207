"""What a person typed as SQL: which data sets it names, and that it only reads.

DuckDB's own parser says what kind of statement it is; that is for a clear answer, not for safety,
which is the sandbox's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from core.data.engine import connect
from core.data.lake.lake import Lake
from core.data.lake.layout import quoted
from core.data.lake.names import NAME
from core.data.lake.version import Version
from core.errors import UsageError

READS = "Write a SELECT, DESCRIBE, SUMMARIZE or PIVOT; see: lepton data clean, lepton data export"
# Comments, strings and quoted names, which are left alone, then words as data sets are named.
_PIECES = re.compile(
    r"""(?P<other>--[^\n]*|/\*.*?(?:\*/|\Z)|[eE]'(?:[^'\\]|\\.|'')*'?|'(?:[^']|'')*'?
      |\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
      |(?P<quoted>"(?:[^"]|"")*"?)
      |(?P<word>\w(?:(?:[\w.@$]|-(?!-))*[\w$])?)""",
    re.VERBOSE | re.DOTALL,
)
_BEFORE_A_NAME = re.compile(
    r"\b(from|join|describe|summarize|table|pivot|unpivot)\s+$", re.IGNORECASE
)
_EVERY_NAME = re.compile(
    r"\bshow\b|information_schema|duckdb_|pg_catalog|sqlite_master", re.IGNORECASE
)
# The word that a statement begins with, or the one after EXPLAIN.
_FIRST = re.compile(
    r"[\s;(]*(?:explain\s+(?:analyze\s+|verbose\s+|\([^)]*\)\s*)*)?([a-z]+)", re.IGNORECASE
)
_CHANGE = re.compile(
    "alter|analyze|attach|begin|call|checkpoint|comment|commit|connect|copy|create|deallocate|delete"
    "|detach|disconnect|drop|execute|export|force|import|insert|install|load|merge|pragma|prepare"
    "|reindex|rename|reset|rollback|set|start|transaction|truncate|update|upsert|use|vacuum",
    re.IGNORECASE,
)
_INSIDE = re.compile(r"\(\s*(copy|insert|update|delete|merge|truncate)\b", re.IGNORECASE)
# These run what they are given, or change what the process writes down.
_SHUT = re.compile(
    r"\b(json_execute_serialized_sql|query|(?:en|dis)able_\w+|truncate_duckdb_logs|force_checkpoint"
    r'|(?:de)?register_external_\w+|(?:create|destroy)_external_\w+)"?\s*\(',
    re.IGNORECASE,
)


def readable(statement: str) -> str:
    """The one reading statement in what was typed, without a semicolon at its end.

    Raises:
        UsageError: there is none, or several; it cannot be parsed; or it would change something.
    """
    import duckdb

    from core.data.sql.sandbox import told

    bare = "".join(" " if kind == "other" else text for kind, text in pieces(statement))
    first = _FIRST.match(bare)
    changes = first if first and _CHANGE.fullmatch(first.group(1)) else _INSIDE.search(bare)
    if changes:
        word = changes.group(1).upper()
        raise UsageError(f"a statement here only reads, and {word} does not", hint=READS)
    if shut := _SHUT.search(bare):
        raise UsageError(
            f"a statement here only reads, and {shut.group(1)} may do more", hint=READS
        )
    try:
        with connect() as connection:
            # DuckDB 1.5 reads the files of an IMPORT while it parses it.
            connection.execute("SET enable_external_access = false")
            found = connection.extract_statements(statement)
    except (duckdb.Error, RuntimeError) as error:
        raise told(error) from error
    if not found:
        raise UsageError("there is no statement", hint="Write one, such as: SELECT * FROM NAME")
    # A PIVOT becomes several: those it needs before have no text of their own.
    pivots = "pivot" in bare.lower() and not any(each.query.strip() for each in found[:-1])
    if len(found) > 1 and not pivots:
        raise UsageError("these are several statements", hint="Run one at a time.")
    if found[-1].type.name not in {"SELECT", "EXPLAIN"} and not pivots:
        raise UsageError("a statement here only reads, and this does not", hint=READS)
    return statement.strip().rstrip(";").strip()


def pieces(statement: str) -> Iterator[tuple[str, str]]:
    """The text in pieces: other (a comment or a string), quoted, word, or rest."""
    at = 0
    for found in _PIECES.finditer(statement):
        if found.start() > at:
            yield "rest", statement[at : found.start()]
        kind = next(kind for kind in ("other", "quoted", "word") if found[kind] is not None)
        yield kind, found.group()
        at = found.end()
    if at < len(statement):
        yield "rest", statement[at:]


def named(lake: Lake, statement: str) -> tuple[str, dict[str, Version]]:
    """The statement with its data sets quoted where they must be, and their versions by name.

    `mnist` is the newest version of a data set, `mnist@3` and `mnist@best` are others; with or
    without quotation marks.

    Raises:
        UsageError: a data set has no such version.
    """
    newest = {version.dataset: version for version in lake.datasets()}
    tables = dict(newest) if _EVERY_NAME.search(statement) else {}
    written: list[str] = []
    for kind, text in pieces(statement):
        word = text[1:-1].replace('""', '"') if kind == "quoted" else text
        name = word.lower()
        dataset = name.partition("@")[0]
        if kind not in ("quoted", "word") or dataset not in newest:
            if kind == "word":
                # `big.price` is a column of a data set, if no data set has that whole name.
                tables.update(_parts(word, newest))
            written.append(text)
            continue
        # A word with a dash is a data set where one stands; elsewhere it is a subtraction.
        odd = not re.fullmatch(r"\w+", name)
        stands = "@" in name or _BEFORE_A_NAME.search("".join(written)) is not None
        if kind == "word" and odd and not stands:
            tables.update(_parts(word, newest))
            written.append(text)
            continue
        tables[name] = lake.version(name) if "@" in name else newest[dataset]
        written.append(quoted(word) if odd else text)
    return "".join(written), tables


def _parts(word: str, newest: dict[str, Version]) -> dict[str, Version]:
    """The data sets among the parts of `name.column` or `name-1`."""
    parts: Iterable[str] = re.split(r"[.@-]", word.lower())
    return {part: newest[part] for part in parts if part in newest and NAME.fullmatch(part)}
