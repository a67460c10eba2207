"""Columns of text: values of several kinds, marks for missing ones, spellings, encoding damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from core.data.lake.layout import literal, quoted
from core.data.lake.view import ROW_ID, SPLIT, View
from core.data.quality.finding import EXAMPLES, Finding
from core.data.quality.labels import CATEGORIES
from core.data.sources.guess import MISSING_MARKS, is_mark

LONGEST = 80
# From this share on, values of another kind than most are no accident.
SEVERAL = 0.02
# An estimate of how many values there are may be that far off.
ROUGHLY = 1.3
DATE = r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([ T]\d{1,2}:\d{2}.*)?\s*$"

# What the second half of UTF-8's bytes is read as by Windows-1252 and by Latin-1.
_REST = "\\x{80}-\\x{BF}" + "".join(bytes(range(0x80, 0xA0)).decode("cp1252", "ignore"))
# Two bytes of an accented letter, three of a quotation mark or a dash, four of an emoji; those of
# other alphabets only in a row, as one pair may be meant.
MOJIBAKE = (
    f"[ÂÃ][{_REST}]|[\\x{{E2}}-\\x{{EF}}][{_REST}][{_REST}]|ð[{_REST}][{_REST}][{_REST}]"
    f"|(?:[\\x{{C4}}-\\x{{DF}}][{_REST}]){{3,}}"
)
LOST = "\\x{FFFD}"
CONTROL = "[\\x{00}-\\x{08}\\x{0B}\\x{0C}\\x{0E}-\\x{1F}\\x{7F}]"
DAMAGE = {"spoilt": MOJIBAKE, "lost": LOST, "control": CONTROL}
MOST_DAMAGES = 200
MOST_MARKS = 100


def check_text(view: View, target: str | None) -> Iterator[Finding]:
    """What is wrong inside the columns of text; two scans of each, one where it has many values.

    Which rows it is about is asked of all columns at once: of thousands, one by one takes minutes.
    """
    columns = [c.name for c in view.version.columns if c.type == "VARCHAR" and c.name != SPLIT]
    counted = view.of_each(columns, _asked)
    mixed = {name: found for name in columns if (found := _mixture(counted[name])) is not None}
    shown = {
        how: _examples(view, [name for name in mixed if mixed[name].how == how], how.holds)
        for how in {each.how for each in mixed.values()}
    }
    marks = _marks(view, [name for name in columns if counted[name]["missing"]])
    few = _values(view, [name for name in columns if _few_values(counted[name])])
    spelled = {
        name: ways for name in few if (ways := _spellings(few[name], counted[name]["filled"]))
    }
    rarer = _rows_with(view, {name: list(_rarer(spelled[name])) for name in spelled})
    damages = {
        kind: _examples(view, [name for name in columns if counted[name][kind]], _holds(pattern))
        for kind, pattern in DAMAGE.items()
    }
    for column in columns:
        counts = counted[column]
        if column in mixed:
            yield _mixed(column, mixed[column], shown[mixed[column].how][column])
        if column in marks:
            yield _marked_missing(column, counts["missing"], *marks[column])
        if column in spelled:
            yield _spelled(column, spelled[column], rarer[column], few[column], target)
        for kind, damaged in damages.items():
            if column in damaged:
                yield from _damage(view, kind, column, counts[kind], damaged[column])


def _examples(
    view: View, columns: Sequence[str], holds: Callable[[str], str]
) -> dict[str, tuple[int, ...]]:
    """Of each column the first rows for which a condition holds, made of what SQL calls it."""
    found = view.of_each(columns, lambda name: {"rows": _first(holds(name))})
    return {column: tuple(each["rows"] or ()) for column, each in found.items()}


def _first(condition: str) -> str:
    return f"min({ROW_ID}, {EXAMPLES}) FILTER ({condition})"


def _asked(name: str) -> dict[str, str]:
    """What is asked of each column, which SQL calls `name`."""
    kinds = {
        kind: f"count(*) FILTER ({holds} AND NOT {is_mark(name)})"
        for kind, holds in _kinds(name).items()
    }
    return kinds | {
        "filled": f"count({name})",
        "missing": f"count(*) FILTER ({is_mark(name)})",
        "zeros": f"count(*) FILTER (regexp_matches({name}, '^[+-]?0[0-9]'))",
        "spoilt": f"count(*) FILTER ({_beyond_ascii(name, MOJIBAKE)})",
        "lost": f"count(*) FILTER ({_beyond_ascii(name, LOST)})",
        "control": f"count(*) FILTER (regexp_matches({name}, {literal(CONTROL)}))",
        "distinct": f"approx_count_distinct({name}) FILTER (length({name}) <= {LONGEST})",
    }


def _marked(name: str) -> str:
    """That a text only says that there is none, in SQL that a person can read."""
    return f"lower(trim({name})) IN ({', '.join(map(literal, MISSING_MARKS))})"


def _few_values(counts: dict[str, int]) -> bool:
    """Whether a column may have no more values than categories have; the number is estimated."""
    return counts["distinct"] <= ROUGHLY * min(CATEGORIES, counts["filled"] / 2)


def _values(view: View, columns: list[str]) -> dict[str, list[tuple[str, int]]]:
    """The values of each column that are short, with how often each comes."""
    found: dict[str, list[tuple[str, int]]] = {}
    for part in view.portions(columns):
        for name, value, count in view.sql(
            f"SELECT name, cell, count(*) FROM {view.cells(part)} WHERE cell IS NOT NULL"
            f" AND length(cell) <= {LONGEST} GROUP BY ALL"
        ):
            found.setdefault(name, []).append((value, count))
    return found


def _kinds(name: str) -> dict[str, str]:
    """What a value may be besides text, with the condition that it is."""
    return {
        "numbers": f"coalesce(isfinite(TRY_CAST({name} AS DOUBLE)), false)",
        "dates": f"coalesce(regexp_matches({name}, {literal(DATE)}), false)",
        "truth values": f"coalesce(lower(trim({name})) IN ('true', 'false'), false)",
    }


def _beyond_ascii(name: str, pattern: str) -> str:
    """That a text matches; one of ASCII alone, as most are, is not searched."""
    return (
        f"CASE WHEN strlen({name}) > length({name})"
        f" THEN regexp_matches({name}, {literal(pattern)}) ELSE false END"
    )


class _How(NamedTuple):
    """Which cells of a mixed column are meant: those of a kind, or the others."""

    kind: str
    others: bool

    def holds(self, name: str) -> str:
        holds = _kinds(name)[self.kind]
        if self.others:
            return f"{name} IS NOT NULL AND NOT ({_marked(name)}) AND NOT {holds}"
        return f"{holds} AND NOT ({_marked(name)})"


class _Mixture(NamedTuple):
    """How values of two kinds are mixed: the share of the kind, and how many cells are meant."""

    how: _How
    share: float
    rows: int


def _mixture(counts: dict[str, int]) -> _Mixture | None:
    """Values of two kinds in one column, as far as they are no marks for missing ones."""
    filled = counts["filled"] - counts["missing"]
    # 007 is a code, and no number written oddly.
    left_out = {"numbers"} if counts["zeros"] else set()
    kind, most = max(
        ((kind, counts[kind]) for kind in _kinds("") if kind not in left_out),
        key=lambda item: item[1],
    )
    if not filled or most == filled or most / filled < SEVERAL:
        return None
    others = most / filled >= 0.5
    return _Mixture(_How(kind, others), most / filled, filled - most if others else most)


def _mixed(column: str, found: _Mixture, examples: tuple[int, ...]) -> Finding:
    (kind, others), share, rows = found
    what = f"{share:.1%} of the values are {kind}, the others text"
    condition = found.how.holds(quoted(column))
    if not others:
        return Finding(
            "info",
            "mixed-types",
            column,
            rows,
            what=what,
            hint="Look whether these rows come from another source, or another column.",
            examples=examples,
            condition=condition,
        )
    to: dict[str, dict[str, Any]] = {
        "numbers": {"do": "cast", "columns": [column], "to": "number"},
        "dates": {"do": "parse-dates", "columns": [column]},
        "truth values": {"do": "cast", "columns": [column], "to": "boolean"},
    }
    return Finding(
        "warning",
        "text-in-numbers" if kind == "numbers" else "mixed-types",
        column,
        rows,
        what=what,
        hint=f"Correct the others; or make a column of {kind} of it, where they are missing.",
        examples=examples,
        mend=to[kind] | {"unreadable": "missing"},
        condition=condition,
    )


def _marks(view: View, columns: Sequence[str]) -> dict[str, tuple[tuple[int, ...], list[str]]]:
    """Of each column the first rows with a mark for a missing value, and the marks as written."""

    def asked(name: str) -> dict[str, str]:
        marked = _marked(name)
        return {"rows": _first(marked), "written": f"list(DISTINCT {name}) FILTER ({marked})"}

    return {
        column: (tuple(found["rows"] or ()), sorted(found["written"] or ())[:MOST_MARKS])
        for column, found in view.of_each(columns, asked).items()
    }


def _marked_missing(
    column: str, count: int, examples: tuple[int, ...], written: list[str]
) -> Finding:
    return Finding(
        "info",
        "missing-marks",
        column,
        count,
        what=f"{count:,} value{' only says' if count == 1 else 's only say'} that there is none"
        ' ("NA", "-" and the like)',
        hint="Empty these cells if the value is not known.",
        examples=examples,
        mend={"do": "map-values", "columns": [column], "missing": written},
        condition=_marked(quoted(column)),
    )


_Ways = list[list[tuple[str, int]]]


def _spellings(values: list[tuple[str, int]], filled: int) -> _Ways:
    """The values that are written in several ways, each with how often; the commonest way first."""
    if len(values) > CATEGORIES or len(values) * 2 > filled:
        return []
    ways: dict[str, list[tuple[str, int]]] = {}
    for value, count in values:
        ways.setdefault(" ".join(value.lower().split()), []).append((value, count))
    return [sorted(way, key=lambda v: (-v[1], v[0])) for way in ways.values() if len(way) > 1]


def _rarer(several: _Ways) -> dict[str, str]:
    """What is to be written otherwise, and how."""
    # What is written with blanks too many is not what is meant, however often it comes.
    meant = [" ".join(min(way, key=lambda v: (_blanks(v[0]), -v[1]))[0].split()) for way in several]
    return {
        value: one
        for one, way in zip(meant, several, strict=True)
        for value, _ in way
        if value != one
    }


def _rows_with(view: View, values: dict[str, list[str]]) -> dict[str, tuple[int, ...]]:
    """Of each column the first rows with one of these values of its own."""
    found: dict[str, tuple[int, ...]] = {}
    for part in view.portions(list(values)):
        pairs = [(name, value) for name in part for value in values[name]]
        for name, rows in view.sql(
            f"SELECT name, min({ROW_ID}, {EXAMPLES}) FROM {view.cells(part)} JOIN"
            " (SELECT unnest(?::VARCHAR[]) AS name, unnest(?::VARCHAR[]) AS cell)"
            " USING (name, cell) GROUP BY name",
            [list(each) for each in zip(*pairs, strict=True)],
        ):
            found[name] = tuple(rows)
    return found


def _spelled(
    column: str,
    several: _Ways,
    examples: tuple[int, ...],
    values: list[tuple[str, int]],
    target: str | None,
) -> Finding:
    rarer = _rarer(several)
    shown = "; ".join(", ".join(f'"{value}"' for value, _ in way) for way in several[:3])
    return Finding(
        "warning" if column == target else "info",
        "spelling",
        column,
        rows=sum(count for value, count in values if value in rarer),
        what=f"the same value is written in several ways: {shown}",
        hint="Write each value in one way, or a model takes them for different ones.",
        examples=examples,
        mend={"do": "map-values", "columns": [column], "values": rarer},
        condition=f"{quoted(column)} IN ({', '.join(literal(value) for value in rarer)})",
    )


def _blanks(value: str) -> bool:
    return value != " ".join(value.split())


def _holds(pattern: str) -> Callable[[str], str]:
    return lambda name: f"regexp_matches({name}, {literal(pattern)})"


def _damage(
    view: View, kind: str, column: str, count: int, examples: tuple[int, ...]
) -> Iterator[Finding]:
    """Text that was read in another encoding than it was written in, and what never was text."""
    name = quoted(column)
    holds = _holds(DAMAGE[kind])(name)
    if kind == "spoilt":
        mended = _repaired(view, column)
        if mended:
            shown = ", ".join(f'"{bad}" for "{good}"' for bad, good in list(mended.items())[:3])
            yield Finding(
                "warning",
                "encoding",
                column,
                count,
                what=f"{count:,} text{' was' if count == 1 else 's were'} read in another"
                f" encoding than UTF-8: {shown}",
                hint="Put the letters back that are meant, or import again as UTF-8.",
                examples=examples,
                mend={"do": "derive", "column": column, "sql": _put_back(name, mended)}
                if len(mended) <= MOST_DAMAGES
                else None,
                condition=holds,
            )
    elif kind == "lost":
        yield Finding(
            "warning",
            "lost-characters",
            column,
            count,
            what=f'{count:,} text{" holds" if count == 1 else "s hold"} "\ufffd", which stands for'
            " bytes that could not be read",
            hint="The letters are gone; import from the original, and name its encoding.",
            examples=examples,
            condition=holds,
        )
    else:
        yield Finding(
            "info",
            "control-characters",
            column,
            count,
            what=f"{count:,} text{' holds' if count == 1 else 's hold'} characters that"
            " cannot be seen, such as a NUL or a bell",
            hint="They come from another program or a damaged file; take them out.",
            examples=examples,
            mend={
                "do": "derive",
                "column": column,
                "sql": f"regexp_replace({name}, {literal(CONTROL)}, '', 'g')",
            },
            condition=holds,
        )


def _repaired(view: View, column: str) -> dict[str, str]:
    """Each damaged run of characters in a column with what was meant, the longest first."""
    found = view.sql(
        f"SELECT DISTINCT unnest(regexp_extract_all({quoted(column)}, {literal(MOJIBAKE)}))"
        f" FROM {view.near(column)} LIMIT {MOST_DAMAGES * 5}"
    )
    meant = {bad: good for (bad,) in found if (good := _meant(bad)) is not None}
    return dict(sorted(meant.items(), key=lambda item: (-len(item[0]), item[0])))


def _meant(bad: str) -> str | None:
    """What the characters were before they were read wrongly; None when they make no text."""
    content = bytearray()
    for character in bad:
        try:
            content += character.encode("cp1252")
        except UnicodeEncodeError:
            if ord(character) > 0xFF:
                return None
            content.append(ord(character))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _put_back(name: str, meant: dict[str, str]) -> str:
    sql = name
    for bad, good in meant.items():
        sql = f"replace({sql}, {literal(bad)}, {literal(good)})"
    return sql
