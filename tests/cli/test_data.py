"""`lepton data …` as a person at the shell meets it: in, cleaned, asked, stepped back."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.ingest import fit_of
from core.workspace import Workspace
from tests.cli.conftest import Shell


@pytest.fixture
def sales(lepton: Shell, tmp_path: Path) -> Shell:
    days = tmp_path / "days"
    days.mkdir()
    rows = [f"d{i},{i % 7},{'ab'[i % 2]}" for i in range(40)]
    (days / "1.csv").write_text("\n".join(["day,sold,shop", *rows, "odd,many,a", "x,1,a,2"]) + "\n")
    report = lepton("data", "import", "days", "--name", "sales", "--json", cwd=tmp_path).json
    assert (report["rows"], report["rejected"]) == (40, 2)
    return lepton


def test_what_was_left_out_can_be_seen(sales: Shell) -> None:
    found = sales("data", "rejects", "sales", "--json").json
    assert {(row["position"], row["column"]) for row in found} == {
        ("line 42", "sold"),
        ("line 43", None),
    }
    assert all(row["file"].endswith("days/1.csv") for row in found)
    sales("data", "split", "sales")
    assert sales("data", "rejects", "sales", "--json").json == found, (
        "the import's, not the split's"
    )


def test_a_split_in_time_says_how_many_rows_have_none(lepton: Shell, tmp_path: Path) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 29)] + [""] * 3
    file = tmp_path / "days.csv"
    file.write_text("\n".join(["day,sold", *(f"{day},1" for day in days)]) + "\n")
    lepton("data", "import", file)
    said = lepton("data", "split", "days", "--time", "day")
    assert '3 rows have no time in "day": they are training rows.' in said.out
    assert "in time by day (3 rows have none)" in " ".join(
        lepton("data", "versions", "days").out.split()
    )


def test_a_refresh_brings_what_is_new(sales: Shell, tmp_path: Path) -> None:
    (tmp_path / "days" / "2.csv").write_text("day,sold,shop\nnew,5,b\n")
    said = sales("data", "import", "--refresh", "--name", "sales", "--json")
    assert (said.json["rows"], said.json["op"]) == (41, "refresh")
    again = sales("data", "import", "--refresh", "--name", "sales")
    assert "nothing is new" in again.err
    assert sales("data", "import", "--refresh").code == 2


def test_a_preview_keeps_nothing(sales: Shell, tmp_path: Path) -> None:
    said = sales("data", "import", tmp_path / "days", "--preview", "--json").json
    assert [column["type"] for column in said["columns"]] == ["VARCHAR", "BIGINT", "VARCHAR"]
    assert [each["name"] for each in sales("data", "ls", "--json").json] == ["sales"]


def test_a_type_is_set(sales: Shell, tmp_path: Path) -> None:
    words = ("data", "import", tmp_path / "days" / "1.csv", "--name", "typed")
    assert sales(*words, "--type", "sold=text", "--json").json["rejected"] == 1
    assert sales(*words, "--type", "sold").code == 2
    said = sales(*words, "--type", "sold=txt")
    assert (said.code, '"text"' in said.err) == (2, True)


def test_cleaned_by_a_recipe_and_stepped_back(sales: Shell, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    steps = ("--step", "drop-duplicates columns=sold,shop", "--step", "scale columns=sold")
    made = sales("data", "clean", "sales", *steps, "--save", recipe, "--json").json
    assert (made["rows"], made["op"], made["parents"]) == (14, "clean", ["sales@1"])
    again = sales("data", "clean", "sales@1", "--recipe", recipe, "--json").json
    assert again["rows"] == 14
    back = sales("data", "undo", "sales", "--json").json
    assert back["rows"] == 14, "only the last of the two steps is taken back"
    looked = sales("data", "clean", "sales@1", "--step", "filter where='sold > 3'", "--preview")
    assert "dropped" in looked.out
    assert sales("data", "versions", "sales", "--json").json[0]["version"] == back["version"]
    said = sales("data", "clean", "sales", "--step", "fil columns=sold")
    assert (said.code, 'Did you mean "fill"?' in said.err) == (2, True)


def test_a_question_in_sql(sales: Shell, tmp_path: Path) -> None:
    query = 'SELECT shop, count(*) AS n FROM "sales@1" GROUP BY shop ORDER BY shop'
    assert sales("data", "sql", query, "--json").json["rows"] == [["a", 20], ["b", 20]]
    assert sales("data", "sql", query, "--output", tmp_path / "shops.csv").code == 0
    assert (tmp_path / "shops.csv").read_text().splitlines() == ["shop,n", "a,20", "b,20"]
    for attack in ("SELECT * FROM read_text('/etc/passwd')", "DROP TABLE sales"):
        said = sales("data", "sql", attack)
        assert (said.code, said.out) == (2, "")
    assert 'Did you mean "sales"?' in sales("data", "sql", "FROM sale").err


def test_what_a_plain_text_is_for_is_said_alike_everywhere(lepton: Shell, tmp_path: Path) -> None:
    """In the listing, of the data set, and what a training would take it for."""
    source = tmp_path / "novel.txt"
    source.write_text(
        "".join(f"The rain of day {n} fell on the hills and {n * 7} sheep.\n" for n in range(60))
    )

    def told() -> set[str]:
        (listed,) = lepton("data", "ls", "--json").json
        lake = Lake(Workspace.open(lepton.home))
        shown = lepton("data", "show", "novel", "--json").json
        return {listed["task"], shown["task"], fit_of(lake, lake.version("novel")).task}

    said = lepton("data", "import", source).out
    assert "for text-generation: text, unless you name another" in said
    assert told() == {"text-generation"}
    assert "text-generation" in lepton("data", "ls").out
    # It is no column to label, and a step may make one.
    assert lepton("data", "ls", "--json").json[0]["target"] is None
    sort = """derive column=sort sql="CASE WHEN line % 3 = 0 THEN 'a' ELSE 'b' END" """
    assert lepton("data", "clean", "novel", "--step", sort).code == 0
    assert told() == {"text-classification"}


def test_of_many_columns_a_line_names_the_first(lepton: Shell, tmp_path: Path) -> None:
    source = tmp_path / "wide.csv"
    heads = [*(f"c{n}" for n in range(40)), "no\x1b[31mte", "label"]
    rows = [
        ",".join([*(str(n * m % 17) for m in range(40)), "1.5", "ab"[n % 2]]) for n in range(60)
    ]
    source.write_text("\n".join([",".join(heads), *rows]) + "\n")
    said = lepton("data", "import", source).out
    assert "c11, c12 and 25 more -> label" in said
    assert "c11, c12 and 25 more" in lepton("data", "show", "wide").out
