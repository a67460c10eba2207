"""Columns of text: values of several kinds, marks for missing ones, spellings, encoding damage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.data.lake.layout import literal, quoted
from core.data.lake.view import SPLIT, View
from core.data.quality.finding import Finding, examples_of
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
MOST_DAMAGES = 200


def check_text(view: View, target: str | None) -> Iterator[Finding]:
    """What is wrong inside the columns of text; two scans of each, one where it has many values."""
    columns = [c.name for c in view.version.columns if c.type == "VARCHAR" and c.name != SPLIT]
    counted = view.of_each(columns, _asked)
    values = _values(view, [name for name in columns if _few_values(counted[name])])
    for column in columns:
        counts, marked = counted[column], _marked(quoted(column))
        filled, missing = counts["filled"], counts["missing"]
        if filled:
            # 007 is a code, and no number written oddly.
            left_out = {"numbers"} if counts["zeros"] else set()
            of_kind = {kind: counts[kind] for kind in _kinds("") if kind not in left_out}
            yield from _mixed(view, column, of_kind, filled - missing, marked)
        if missing:
            yield _marks(view, column, missing, marked)
        if column in values:
            yield from _spellings(view, column, values[column], filled, target)
        yield from _damage(view, column, counts["spoilt"], counts["lost"], counts["control"])


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


def _mixed(
    view: View, column: str, counts: dict[str, int], filled: int, marked: str
) -> Iterator[Finding]:
    """Values of two kinds in one column; `filled` of them are no mark for a missing one."""
    kind, most = max(counts.items(), key=lambda item: item[1])
    if not filled or not most:
        return
    name = quoted(column)
    odd = f"{name} IS NOT NULL AND NOT ({marked}) AND NOT {_kinds(name)[kind]}"
    share = most / filled
    mends: dict[str, dict[str, Any]] = {
        "numbers": {"do": "cast", "columns": [column], "to": "number", "unreadable": "missing"},
        "dates": {"do": "parse-dates", "columns": [column], "unreadable": "missing"},
        "truth values": {
            "do": "cast",
            "columns": [column],
            "to": "boolean",
            "unreadable": "missing",
        },
    }
    if share >= 0.5:
        (others,) = view.sql(f"SELECT count(*) FROM {view.near(column)} WHERE {odd}")[0]
        if not others:
            return
        yield Finding(
            "warning",
            "text-in-numbers" if kind == "numbers" else "mixed-types",
            column,
            others,
            what=f"{share:.1%} of the values are {kind}, the others text",
            hint=f"Correct the others; or make a column of {kind} of it, where they are missing.",
            examples=examples_of(view, odd, column),
            mend=mends[kind],
            condition=odd,
        )
    elif share >= SEVERAL:
        some = f"{_kinds(name)[kind]} AND NOT ({marked})"
        yield Finding(
            "info",
            "mixed-types",
            column,
            most,
            what=f"{share:.1%} of the values are {kind}, the others text",
            hint="Look whether these rows come from another source, or another column.",
            examples=examples_of(view, some, column),
            condition=some,
        )


def _marks(view: View, column: str, count: int, marked: str) -> Finding:
    written = view.sql(
        f"SELECT DISTINCT {quoted(column)} AS v FROM {view.near(column)} WHERE {marked}"
        " ORDER BY v LIMIT 100"
    )
    return Finding(
        "info",
        "missing-marks",
        column,
        count,
        what=f"{count:,} value{' only says' if count == 1 else 's only say'} that there is none"
        ' ("NA", "-" and the like)',
        hint="Empty these cells if the value is not known.",
        examples=examples_of(view, marked, column),
        mend={"do": "map-values", "columns": [column], "missing": [value for (value,) in written]},
        condition=marked,
    )


def _spellings(
    view: View, column: str, values: list[tuple[str, int]], filled: int, target: str | None
) -> Iterator[Finding]:
    name = quoted(column)
    if len(values) > CATEGORIES or len(values) * 2 > filled:
        return
    ways: dict[str, list[tuple[str, int]]] = {}
    for value, count in values:
        ways.setdefault(" ".join(value.lower().split()), []).append((value, count))
    several = [sorted(way, key=lambda v: (-v[1], v[0])) for way in ways.values() if len(way) > 1]
    if not several:
        return
    # What is written with blanks too many is not what is meant, however often it comes.
    meant = [" ".join(min(way, key=lambda v: (_blanks(v[0]), -v[1]))[0].split()) for way in several]
    rarer = {
        value: one
        for one, way in zip(meant, several, strict=True)
        for value, _ in way
        if value != one
    }
    shown = "; ".join(", ".join(f'"{value}"' for value, _ in way) for way in several[:3])
    written = f"{name} IN ({', '.join(literal(value) for value in rarer)})"
    yield Finding(
        "warning" if column == target else "info",
        "spelling",
        column,
        rows=sum(count for way in several for value, count in way if value in rarer),
        what=f"the same value is written in several ways: {shown}",
        hint="Write each value in one way, or a model takes them for different ones.",
        examples=examples_of(view, written, column),
        mend={"do": "map-values", "columns": [column], "values": rarer},
        condition=written,
    )


def _blanks(value: str) -> bool:
    return value != " ".join(value.split())


def _damage(view: View, column: str, spoilt: int, lost: int, control: int) -> Iterator[Finding]:
    """Text that was read in another encoding than it was written in, and what never was text."""
    name = quoted(column)
    if spoilt:
        holds = f"regexp_matches({name}, {literal(MOJIBAKE)})"
        mended = _repaired(view, column)
        if mended:
            shown = ", ".join(f'"{bad}" for "{good}"' for bad, good in list(mended.items())[:3])
            yield Finding(
                "warning",
                "encoding",
                column,
                spoilt,
                what=f"{spoilt:,} text{' was' if spoilt == 1 else 's were'} read in another"
                f" encoding than UTF-8: {shown}",
                hint="Put the letters back that are meant, or import again as UTF-8.",
                examples=examples_of(view, holds, column),
                mend={"do": "derive", "column": column, "sql": _put_back(name, mended)}
                if len(mended) <= MOST_DAMAGES
                else None,
                condition=holds,
            )
    if lost:
        holds = f"regexp_matches({name}, {literal(LOST)})"
        yield Finding(
            "warning",
            "lost-characters",
            column,
            lost,
            what=f'{lost:,} text{" holds" if lost == 1 else "s hold"} "\ufffd", which stands for'
            " bytes that could not be read",
            hint="The letters are gone; import from the original, and name its encoding.",
            examples=examples_of(view, holds, column),
            condition=holds,
        )
    if control:
        holds = f"regexp_matches({name}, {literal(CONTROL)})"
        yield Finding(
            "info",
            "control-characters",
            column,
            control,
            what=f"{control:,} text{' holds' if control == 1 else 's hold'} characters that"
            " cannot be seen, such as a NUL or a bell",
            hint="They come from another program or a damaged file; take them out.",
            examples=examples_of(view, holds, column),
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
