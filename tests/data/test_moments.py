"""Times as text: a zone, or AM and PM, is never left out without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.sources import Options, Reading, import_source, renew_source
from core.data.sources.guess import FIRST_ROWS
from core.data.splitting.split import split
from core.errors import LeptonError

AS_TIMES = Reading(options=Options(types={"at": "timestamp"}))
ZONED = ("2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00 Europe/Berlin", "2024-06-01 10:00 -0500")
IN_UTC = ["2024-01-01 08:00:00", "2024-01-01 09:00:00", "2024-06-01 15:00:00"]


def table(path: Path, *cells: str) -> Path:
    path.write_text("at,row\n" + "".join(f"{cell},{n}\n" for n, cell in enumerate(cells)))
    return path


def times(lake: Lake, ref: str) -> list[str]:
    with lake.open(ref) as view:
        return [
            text for (text,) in view.sql('SELECT CAST("at" AS VARCHAR) FROM rows ORDER BY _rid')
        ]


def test_every_way_of_naming_a_zone_is_kept_in_utc(lake: Lake, tmp_path: Path) -> None:
    report = import_source(lake, table(tmp_path / "a.csv", *ZONED), "a")
    assert times(lake, "a") == IN_UTC
    assert report.notes == ['the times of column "at" were kept in UTC']


def test_a_type_that_was_named_takes_no_zone_away(lake: Lake, tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", *ZONED, "2024-01-01 10:00:00")
    report = import_source(lake, source, "a", AS_TIMES)
    assert times(lake, "a") == [*IN_UTC, "2024-01-01 10:00:00"]
    assert '1 time of column "at" without a zone: taken for UTC' in report.notes


def test_texts_of_a_typed_file_too(lake: Lake, tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": ZONED}), tmp_path / "a.parquet")
    import_source(lake, tmp_path / "a.parquet", "a", AS_TIMES)
    assert times(lake, "a") == IN_UTC
    pq.write_table(pa.table({"at": ["2024-01-01 10:00 PM"]}), tmp_path / "b.parquet")
    with pytest.raises(LeptonError, match="PM"):
        import_source(lake, tmp_path / "b.parquet", "b", AS_TIMES)


def test_texts_of_json_lines_too(lake: Lake, tmp_path: Path) -> None:
    """DuckDB sees no time in a fraction of a second, nor in most zones."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"at": "{cell}"}}\n' for cell in [*ZONED, "2024-01-01 10:00:00.5Z"]))
    import_source(lake, path)
    assert times(lake, "a") == [*IN_UTC, "2024-01-01 10:00:00.5"]
    path.write_text('{"at": "2024-01-01 10:00:00.25"}\n{"at": ""}\n')
    import_source(lake, path)
    assert times(lake, "a") == ["2024-01-01 10:00:00.25", ""], "an empty text is not dropped"


def test_a_refresh_reads_zones_as_the_import_did(lake: Lake, tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", *ZONED)
    import_source(lake, source, "a")
    table(source, *ZONED, "2024-07-01T10:00:00+02:00")
    renew_source(lake, "a")
    assert times(lake, "a") == [*IN_UTC, "2024-07-01 08:00:00"]


def test_afternoon_is_no_morning(lake: Lake, tmp_path: Path) -> None:
    import_source(lake, table(tmp_path / "a.csv", "2024-01-01 10:00 PM", "2024-01-01 11:00 AM"))
    assert lake.version("a").column("at").type == "VARCHAR"


@pytest.mark.parametrize(
    "late", ["2024-01-01 10:00Z", "2024-01-01 10:00 PM", "2024-01-01 10:00+02"]
)
def test_behind_the_first_rows_too(lake: Lake, tmp_path: Path, late: str) -> None:
    """The guess is made on the first rows; what is no longer than a time is looked at as well."""
    import_source(lake, table(tmp_path / "a.csv", *["2024-01-01 10:00:00"] * 5000, late), "a")
    assert lake.version("a").column("at").type == "VARCHAR"
    assert times(lake, "a")[-1] == late


@pytest.mark.parametrize(
    ("late", "kept"),
    [
        ("2024-01-01 10:00:00.5", "2024-01-01 10:00:00.5"),
        ("2024-01-01 10:00", "2024-01-01 10:00:00"),
        ("2024-01-01", "2024-01-01 00:00:00"),
        ("2024-01-01 10:00:00Z", "2024-01-01 10:00:00Z"),
        ("2024-01-01 10:00:00+02", "2024-01-01 10:00:00+02"),
        # What DuckDB makes of the two next ones by a format.
        ("1900-01-01 00:00:00", "1900-01-01 00:00:00"),
        ("epoch", "epoch"),
        ("infinity", "infinity"),
    ],
)
def test_a_time_in_another_form_is_what_it_is_and_not_what_the_first_rows_were(
    lake: Lake, tmp_path: Path, late: str, kept: str
) -> None:
    first = ["2023-12-31 23:59:58"] * (FIRST_ROWS + 9)
    import_source(lake, table(tmp_path / "a.csv", *first, late, first[0]), "a")
    found = times(lake, "a")
    assert len(found) == len(first) + 2
    assert found[-2:] == [kept, first[0]]


def test_short_times_are_still_times(lake: Lake, tmp_path: Path) -> None:
    cells = ["2024-01-01 10:00", "2024-01-01", "2024-01-01T10:00:01.25", "2024-01-01 10:00:59"]
    import_source(lake, table(tmp_path / "a.csv", *cells * 1100), "a")
    assert lake.version("a").column("at").type == "TIMESTAMP"
    assert times(lake, "a")[2] == "2024-01-01 10:00:01.25"


def test_casting_and_splitting_by_time_see_the_zone(lake: Lake, tmp_path: Path) -> None:
    # As clocks on walls the first is the last.
    cells = ["2024-01-01 11:30:00+09:00", *(f"2024-01-01 10:{n:02}:00" for n in range(9))]
    import_source(lake, table(tmp_path / "a.csv", *cells), "a")
    parted = split(lake, "a", validation=0.1, test=0.1, time="at")
    with lake.open(parted) as view:
        assert view.sql("SELECT split FROM rows WHERE _rid = 0") == [("train",)]
    recipe = Recipe.from_words(["cast columns=at to=timestamp"])
    clean(lake, "a@1", recipe)
    assert times(lake, "a")[0] == "2024-01-01 02:30:00"


def test_the_zone_of_the_machine_changes_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_source(lake, table(tmp_path / "a.csv", "31/12/2024 23:00 +0200"), "a")
    form = "%d/%m/%Y %H:%M %z"
    for place in ("Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", place)
        step = f'parse-dates columns=at to=timestamp formats="{form}"'
        made = clean(lake, "a@1", Recipe.from_words([step]))
        assert times(lake, made.ref) == ["2024-12-31 21:00:00"]


def test_infinite_numbers_of_a_database_are_refreshed(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE a ("at" REAL)')
        database.execute("INSERT INTO a VALUES (9e999), (1)")
    import_source(lake, path, "a")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO a VALUES (-9e999)")
    report = renew_source(lake, "a")
    assert times(lake, "a") == ["inf", "1.0", "-inf"]
    assert not report.rejects
