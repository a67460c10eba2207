"""Labels in a file, as people and tools write them; what cannot be read is named by its line."""

from __future__ import annotations

import pytest

from core.data.labelling.label_file import read_labels
from core.data.lake.journal import Entry
from core.errors import LeptonError


def read(text: str, column: str = "kind") -> tuple[list[Entry], int]:
    return read_labels(text.splitlines(keepends=True), "labels.csv", column)


@pytest.mark.parametrize(
    "text",
    [
        "17,cat\n4,dog\n",
        "\n17,cat\r\n\r\n4 , dog \r\n",
        "\ufeff_rid,label\n17,cat\n4,dog\n",
        "kind,name,_rid\ncat,Tom,17\ndog,Rex,4\n",
        "Row;Label\n17;cat\n4;dog",
        "_rid\tvalue\n17\tcat\n4\tdog\n",
        '_rid,label\n"17","cat"\n4,dog\n',
        '{"_rid": 17, "label": "cat"}\n\n{"row": "4", "kind": " dog"}\n',
        '\ufeff{"label": "cat", "rid": 17, "more": [1]}\n{"_rid": 4, "value": "dog"}',
    ],
)
def test_the_ways_to_write_it(text: str) -> None:
    assert read(text) == ([Entry(17, "cat"), Entry(4, "dog")], 0)


def test_scores_values_and_rows_without_a_label() -> None:
    assert read("_rid,label,score\n1,a,0.25\n2,,0.9\n3,b,\n") == (
        [Entry(1, "a", 0.25), Entry(3, "b")],
        1,
    )
    lines = (
        '{"_rid": 1, "label": true}\n{"_rid": 2, "label": 2.5, "score": 1}\n'
        '{"_rid": 3, "label": null}'
    )
    assert read(lines) == ([Entry(1, "true"), Entry(2, "2.5", 1.0)], 1)
    assert read('_rid,label\n1,"two\nlines"\n2,"a, ""b"""\n') == (
        [Entry(1, "two\nlines"), Entry(2, 'a, "b"')],
        0,
    )
    assert read("") == read("\n \n") == ([], 0)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("id,label\n17,cat\n", 1, '"id" is no row id'),
        ("17,cat\nx,dog\n", 2, '"x" is no row id'),
        ("17,cat\n4\n", 2, "there are 1 fields, and 2 are needed"),
        ("_rid,a,label\n\n17,b\n", 3, "there are 2 fields, and 3 are needed"),
        ("_rid,label,score\n1,a,2\n", 2, '"2" is no score'),
        ("_rid,label,score\n1,a,high\n", 2, '"high" is no score'),
        ('17,cat\n4,"dog\n', 2, "unexpected end of data"),
        ('{"_rid": 17, "label": "cat"}\n{"_rid": 4\n', 2, "there is no JSON object"),
        ('{"_rid": 17, "label": "cat"}\n[4, "dog"]\n', 2, "there is no JSON object"),
        ('{"_rid": 17, "labl": "cat"}\n', 1, 'there is no "label" or "kind"'),
        ('{"_rid": 17, "label": ["cat"]}\n', 1, "with a plain value"),
        ('{"_rid": 1.5, "label": "cat"}\n', 1, '"1.5" is no row id'),
        ('{"label": "cat"}\n', 1, '"None" is no row id'),
        ("{" * 100_000, 1, "there is no JSON object"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, line: int, why: str) -> None:
    with pytest.raises(LeptonError) as caught:
        read(text)
    assert why in caught.value.what
    assert caught.value.where == f"labels.csv, line {line}"
    assert "17,Adelie" in caught.value.hint
