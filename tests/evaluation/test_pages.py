"""The HTML file: whole in itself, deaf to the network, and nothing in it that data could say."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from core.evaluation.evaluate import evaluate_model
from core.evaluation.html import to_html
from core.evaluation.markdown import to_markdown
from core.evaluation.page import safe
from core.evaluation.saving import save
from core.evaluation.shown import Box, Cells, Course, Passage, Picture, Sound
from core.evaluation.words import doubts_head

from .conftest import train

HOSTILE = "<script>alert(1)</script>\"' onload=x & \u202e\x1b[31m"
VOID = {"meta", "img", "hr", "rect", "line", "circle", "path"}
TAGS = (
    "html head meta title style body h1 h2 h3 p div span table thead tbody tr th td hr figure"
    " figcaption dl dt dd img audio svg g rect line circle path text"
)
ALLOWED = set(TAGS.split())
KEYS = (
    "format model task dataset target split rows metrics baseline metric intervals"
    " baseline_intervals bootstrap calibration slices mistakes suspected against unreadable"
    " unreadable_rows notes seconds example"
)


class Seen(HTMLParser):
    """The tags of a page, its attributes, and whether all that opens is closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report(workspace, credit):
    train(workspace, "credit", name="lesser", epochs=1, lr=3e-4)
    return evaluate_model(workspace, "credit", against="lesser", slices=["Home", "Age > 40"])


def examples():
    square = io.BytesIO()
    Image.new("RGB", (8, 8)).save(square, "PNG")
    boxes = (Box(HOSTILE, (0, 0, 4, 4), False), Box("dog", (1, 1, 4, 4), True))
    return [
        Picture(square.getvalue(), 80, 80, boxes),
        Sound(b"RIFF", 2.5, ((-0.5, 0.5), (0.0, 0.0))),
        Passage(HOSTILE),
        Cells({HOSTILE: HOSTILE}),
        Course((1.0, None, 2.0), (2.0, None), (2.5, 3.0)),
        None,
    ]


def test_it_is_one_file_that_asks_nobody(report):
    seen = Seen(page := to_html(report))
    assert set(seen.tags) <= ALLOWED
    assert "script" not in seen.tags
    for tag, name, value in seen.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("style", "href", "action"), (tag, name)
        if name == "src":
            assert value.startswith("data:")
    assert "http" not in page.replace("http-equiv", "")
    assert "url(" not in page
    (policy,) = [v for tag, name, v in seen.attributes if tag == "meta" and "default-src" in str(v)]
    assert "default-src 'none'" in policy
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_it_has_light_and_dark_and_every_part(report):
    page = to_html(report)
    assert "prefers-color-scheme: dark" in page
    text = " ".join(Seen(page).text)
    for part in (
        *("Metrics", "Against lesser@1", "Rows that changed", "Reliability", "Slices"),
        *("Confusion matrix", "Classes", "Most confident mistakes", "Labels that seem wrong"),
        *("expected_calibration_error", "1,000 draws", "McNemar", "too few to say", "Seniority"),
    ):
        assert part in text, part
    markdown = to_markdown(report)
    for part in ("## Against lesser@1", "## Reliability", "## Slices", "## Labels that seem wrong"):
        assert part in markdown, part


def test_what_data_says_stays_text(report):
    labels = [HOSTILE, "good"]
    hostile = replace(
        report,
        model=HOSTILE,
        dataset=HOSTILE,
        target=HOSTILE,
        notes=[HOSTILE],
        slices=[{**report.slices[0], "by": HOSTILE, "slice": HOSTILE}],
        mistakes=[
            {"_rid": at, "path": HOSTILE, "truth": HOSTILE, "answer": HOSTILE, "score": 0.9}
            | {"input": each}
            for at, each in enumerate(examples())
        ],
        against={**report.against, "model": HOSTILE},
        details={
            "confusion": {"labels": labels, "matrix": [[1, 2], [3, 4]]},
            "per_class": [
                {"label": HOSTILE, "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 3}
            ],
        },
    )
    page = to_html(hostile)
    seen = Seen(page)
    assert set(seen.tags) <= ALLOWED
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "alert(1)" in " ".join(seen.text)
    assert all(not name.startswith("on") for _, name, _ in seen.attributes)


def test_inputs_are_shown_as_what_they_are(report):
    def page_of(given):
        entry = {"_rid": 1, "truth": "a", "answer": "b", "score": 0.9, "input": given}
        return Seen(to_html(replace(report, against=None, suspected=None, mistakes=[entry])))

    picture, sound, passage, cells, course, nothing = map(page_of, examples())
    sources = [v for tag, name, v in picture.attributes if (tag, name) == ("img", "src")]
    assert sources[0].startswith("data:image/png;base64,")
    Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2]))).verify()
    assert "truth: " in " ".join(picture.text)
    assert "said: dog" in " ".join(picture.text)
    assert "audio" in sound.tags
    assert any("alert(1)" in each for each in passage.text)
    assert ("dl", "class", None) not in cells.attributes
    assert len([tag for tag in course.tags if tag == "path"]) == 3
    assert any("cannot be shown" in each for each in nothing.text)


def test_control_characters_and_turned_text_are_marked():
    assert safe("a\x00b\u2066c\nd\te") == "a\ufffdb\ufffdc\nd\te"
    assert safe("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"


def test_the_json_has_one_shape_and_is_json(report, tmp_path, workspace, mass):
    paths = save(report, tmp_path)

    def refuse(name):
        raise AssertionError(name)

    kept = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert paths["html"] == str(tmp_path / "report.html")
    numbers = evaluate_model(workspace, "mass").to_json()
    always = set(KEYS.split())
    assert always <= kept.keys()
    assert always <= numbers.keys()
    assert numbers["calibration"] is None
    assert numbers["suspected"] is None
    assert kept["mistakes"][0]["input"]["Home"]
    assert kept["intervals"].keys() == kept["metrics"].keys() == kept["baseline"].keys()


def test_no_number_is_none_and_breaks_no_page(report, tmp_path):
    odd = replace(report, metrics={**report.metrics, "loss": float("nan"), "auroc": float("inf")})
    save(odd, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]["loss"] is None


def test_doubtful_labels_are_counted_in_words():
    assert doubts_head({"rows": 1, "of": 1000}) == "1 label of 1,000 seems wrong"
    assert doubts_head({"rows": 2000, "of": 9000}) == "2,000 labels of 9,000 seem wrong"


def test_pictures_lie_in_the_page(workspace, pictures):
    report = evaluate_model(workspace, "pictures")
    shown = [each["input"] for each in report.mistakes]
    assert shown
    assert all(isinstance(each, Picture) for each in shown)
    assert all(max(Image.open(io.BytesIO(each.png)).size) <= 144 for each in shown)
    assert report.to_json()["mistakes"][0]["input"] is None
    doubted = len(report.suspected["labels"])
    assert to_html(report).count("data:image/png") == len(shown) + doubted


def test_labels_that_seem_wrong_are_named(workspace, lake):
    """Labels turned round far from the border are among those doubted; what was seen is not."""
    draw = np.random.default_rng(7)
    side = draw.normal(0, 1, 900)
    label = np.where(side > 0, "up", "down")
    part = np.array(["train", "test"])[(np.arange(900) % 3 == 0).astype(int)]
    turned = np.flatnonzero((part == "test") & (np.abs(side) > 1))[:8]
    label[turned] = np.where(label[turned] == "up", "down", "up")
    table = pa.table({"side": side, "noise": draw.normal(size=900), "label": label, "split": part})
    lake.commit("turned", table, op="import", target="label")
    train(workspace, "turned", name="turned", epochs=12)
    found = evaluate_model(workspace, "turned").suspected
    assert found["of"] == 300
    named = {each["_rid"] for each in found["labels"]}
    assert set(turned.tolist()) <= named
    assert found["rows"] < 3 * len(turned)
    for each in found["labels"][:4]:
        assert each["truth"] == label[each["_rid"]]
        assert each["seems"] != each["truth"]
    assert evaluate_model(workspace, "turned", split="train").suspected is None
