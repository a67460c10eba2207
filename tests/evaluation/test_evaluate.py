"""Judging models: numbers as scikit-learn's, on the right rows, with what failed named."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn import metrics as sk

from core.data.splitting.split import split
from core.errors import LeptonError, UsageError
from core.evaluation.calibration import ERROR
from core.evaluation.evaluate import Interrupted, evaluate_model
from core.evaluation.markdown import plain, to_markdown
from core.evaluation.saving import save
from core.inference.examples import as_tensors, run
from core.models.folder import load_module
from core.models.registry import task_of
from core.runs.store import Runs
from core.workspace import Workspace

from .conftest import imported, train

DEADLINE = 300


def answers_one_by_one(lake, folder, version, part):
    """Truth and answers by another road: one row at a time, as a person would ask."""
    task, module = task_of(folder), load_module(folder)
    truths, answers = [], []
    with lake.open(version) as view:
        rids = [rid for (rid,) in view.sql("SELECT _rid FROM rows WHERE split = ?", [part])]
        for row in view.rows(rids):
            if row[task.target] is None:
                continue
            arrays = task.encode([row], target=False)
            tensors = run(as_tensors(arrays), 0, 1)
            with torch.no_grad():
                outputs = module(*task.inputs(tensors)).numpy()
            truths.append(row[task.target])
            answers.append(task.answers(outputs)[0])
    return truths, answers


def test_a_classifier_is_scored_as_scikit_learn_scores_it(workspace, lake, credit):
    report = evaluate_model(workspace, "credit")
    assert (report.model, report.dataset, report.split) == ("credit@1", "credit@2", "test")
    truth, answers = answers_one_by_one(lake, credit, "credit@2", "test")
    said = [answer["label"] for answer in answers]
    labels = report.details["confusion"]["labels"]
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(truth, said),
        "f1_macro": sk.f1_score(truth, said, **macro),
        "precision_macro": sk.precision_score(truth, said, **macro),
        "recall_macro": sk.recall_score(truth, said, **macro),
        "auroc": sk.roc_auc_score(
            [each == labels[1] for each in truth], [each["scores"][labels[1]] for each in answers]
        ),
        "loss": sk.log_loss(truth, [[each["scores"][name] for name in labels] for each in answers]),
    }
    scores = {name: value for name, value in report.metrics.items() if name != ERROR}
    assert scores == pytest.approx(expected, abs=1e-5)
    assert report.rows == len(truth) > 400
    matrix = sk.confusion_matrix(truth, said, labels=labels)
    assert report.details["confusion"]["matrix"] == matrix.tolist()
    table = np.transpose(sk.precision_recall_fscore_support(truth, said, labels=labels))
    for row, line in zip(table, report.details["per_class"], strict=True):
        assert [line[name] for name in ("precision", "recall", "f1", "support")] == pytest.approx(
            row.tolist()
        )


def test_a_regression_is_scored_as_scikit_learn_scores_it(workspace, lake, mass):
    report = evaluate_model(workspace, "mass", split="validation")
    assert report.split == "validation"
    truth, answers = answers_one_by_one(lake, mass, report.dataset, "validation")
    said = list(answers)
    assert report.metrics["r2"] == pytest.approx(sk.r2_score(truth, said), abs=1e-5)
    error = sk.mean_absolute_error(truth, said)
    assert report.metrics["mean_absolute_error"] == pytest.approx(error, rel=1e-5)
    squared = sk.root_mean_squared_error(truth, said)
    assert report.metrics["root_mean_squared_error"] == pytest.approx(squared, rel=1e-5)


def test_the_baseline_is_learnt_from_the_training_rows(workspace, lake, mass):
    report = evaluate_model(workspace, "mass")
    with lake.open(report.dataset) as view:
        known = "body_mass_g IS NOT NULL"
        ((mean,),) = view.sql(
            f"SELECT avg(body_mass_g) FROM rows WHERE split = 'train' AND {known}"
        )
        truth = view.sql(f"SELECT body_mass_g FROM rows WHERE split = 'test' AND {known}")
    truth = [value for (value,) in truth]
    expected = sk.mean_absolute_error(truth, [mean] * len(truth))
    assert report.baseline["mean_absolute_error"] == pytest.approx(expected, rel=1e-5)
    assert report.baseline.keys() == report.metrics.keys()


def test_mistakes_name_their_rows_the_surest_first(workspace, lake, credit):
    report = evaluate_model(workspace, "credit")
    mistakes = report.mistakes
    scores = [each["score"] for each in mistakes]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5
    with lake.open(report.dataset) as view:
        rows = view.rows([each["_rid"] for each in mistakes])
    assert [row["Status"] for row in rows] == [each["truth"] for each in mistakes]
    assert all(row["split"] == "test" for row in rows)
    assert all(each["truth"] != each["answer"] for each in mistakes)


@pytest.mark.parametrize(
    ("fixture", "key", "margin"), [("credit", "accuracy", 0.03), ("mass", "r2", 0.6)]
)
def test_what_was_learnt_beats_the_baseline_on_unseen_rows(
    workspace, request, fixture, key, margin
):
    request.getfixturevalue(fixture)
    report = evaluate_model(workspace, fixture)
    assert report.split == "test"
    assert report.metrics[key] > report.baseline[key] + margin


@pytest.mark.slow
def test_digits_are_read(workspace):
    imported(workspace, "digits", "images/mnist5k")
    train(workspace, "digits", name="digits", model="cnn", epochs=3)
    report = evaluate_model(workspace, "digits")
    assert report.rows == 1000
    assert report.metrics["accuracy"] >= 0.95
    assert report.baseline["accuracy"] == pytest.approx(0.1)


@pytest.mark.slow
def test_reviews_are_read(workspace):
    imported(workspace, "foods", "text/fine_foods_1500.csv", target="score")
    settings = {"model": "transformer", "epochs": 4, "options": {"length": 48}}
    train(workspace, "foods", name="foods", **settings)
    report = evaluate_model(workspace, "foods")
    assert report.metrics["accuracy"] > report.baseline["accuracy"] + 0.05
    assert report.metrics["auroc"] > 0.7


def test_the_batch_size_changes_nothing_but_progress(workspace, credit):
    heard = []
    small = evaluate_model(
        workspace, "credit", batch_size=50, on_progress=lambda *each: heard.append(each)
    )
    large = evaluate_model(workspace, "credit", batch_size=4096)
    assert small.metrics == pytest.approx(large.metrics, abs=1e-5)
    assert heard[-1] == (small.rows, small.rows)
    assert len(heard) > 3
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})


def test_it_can_be_interrupted(workspace, credit):
    with pytest.raises(Interrupted):
        evaluate_model(workspace, "credit", should_stop=lambda: True)


def test_a_data_set_without_the_columns_is_refused_by_name(workspace, lake, mass):
    lake.commit("other", pa.table({"species": ["a", "b"], "size": [1, 2]}), op="import")
    with pytest.raises(UsageError) as caught:
        evaluate_model(workspace, "mass", "other")
    said = str(caught.value)
    assert '"bill_length_mm"' in said
    assert '"body_mass_g"' in said
    assert '"species"' not in said
    assert "other@1" in said
    assert "It has: species, size." in caught.value.hint


def test_the_split_is_the_one_named_or_the_best_there_is(workspace, lake, mass):
    with lake.open("penguins@1") as view:
        batches = list(view.batches([c for c in view.version.column_names if c != "split"]))
    rows = pa.Table.from_batches(batches).drop_columns(["_rid"])

    def judged(name, parts, **named):
        table = rows if parts is None else rows.append_column("split", pa.array(parts))
        lake.commit(name, table, op="import")
        return evaluate_model(workspace, "mass", name, **named).split

    n = len(rows)
    assert judged("only-validation", (["train", "validation"] * n)[:n]) == "validation"
    assert judged("elsewhere", None) == "all"
    assert evaluate_model(workspace, "mass", split="train").split == "train"
    with pytest.raises(UsageError, match='no split "tset"') as caught:
        evaluate_model(workspace, "mass", split="tset")
    assert caught.value.hint == 'Did you mean "test"?'
    with pytest.raises(UsageError, match="no test or validation rows"):
        judged("only-train", ["train"] * n)


def test_the_data_set_as_it_was_before_its_split_means_the_unseen_rows(workspace, mass):
    report = evaluate_model(workspace, "mass", "penguins@1")
    assert (report.dataset, report.split) == ("penguins@2", "test")
    assert "penguins@1 is not split" in report.notes[0]


def test_rows_that_were_trained_on_are_told(workspace, lake, mass):
    assert not any("trained on" in note for note in evaluate_model(workspace, "mass").notes)
    again = split(lake, "penguins@2", seed=5)
    report = evaluate_model(workspace, "mass", again.ref)
    (note,) = [note for note in report.notes if "were trained on" in note]
    assert 15 <= int(note.split()[0]) <= report.rows


def test_rows_that_cannot_be_read_are_named_and_the_others_judged(workspace, lake, pictures):
    dataset = pictures.info["dataset"]
    with lake.open(dataset) as view:
        whole = evaluate_model(workspace, "pictures")
        rows = [
            row for batch in view.batches(view.version.column_names) for row in batch.to_pylist()
        ]
        media = {column.name: "image" for column in view.version.columns if column.media}
    judged = [row for row in rows if row["split"] == whole.split]
    broken = judged[1]
    broken["image"] = broken["image"][:40]
    lake.commit("broken", pa.Table.from_pylist(rows), op="damage", media=media, target="label")
    report = evaluate_model(workspace, "pictures", "broken")
    assert report.rows == whole.rows - 1
    assert report.unreadable_rows == 1
    (named,) = report.unreadable
    assert named.rid == broken["_rid"]
    assert broken["path"] in named.where
    assert broken["path"] in to_markdown(report).replace("\\", "")
    assert named.why

    for row in judged:
        row["image"] = b"nothing"
    lake.commit("all-broken", pa.Table.from_pylist(rows), op="damage", media=media, target="label")
    with pytest.raises(LeptonError, match="cannot be read"):
        evaluate_model(workspace, "pictures", "all-broken")


def test_a_class_that_training_did_not_have_counts_as_wrong(workspace, lake, credit):
    with lake.open("credit@2") as view:
        names = view.version.column_names
        rows = [row for batch in view.batches(names, split="test") for row in batch.to_pylist()]
    for row in rows[:10]:
        row["Status"] = "unheard"
    lake.commit("strange", pa.Table.from_pylist(rows), op="import")
    report = evaluate_model(workspace, "credit", "strange")
    before = evaluate_model(workspace, "credit")
    assert report.rows == before.rows
    assert report.metrics["accuracy"] < before.metrics["accuracy"]
    assert report.details["per_class"][-1]["support"] == 10


def test_the_report_is_json_and_markdown_that_reads_nothing_into_labels(
    workspace, credit, tmp_path
):
    report = evaluate_model(workspace, "credit")
    paths = save(report, tmp_path / "artifacts")
    kept = json.loads((tmp_path / "artifacts" / "report.json").read_text())
    assert kept == json.loads(json.dumps(report.to_json()))
    assert {"model", "dataset", "split", "metrics", "baseline", "confusion"} <= kept.keys()
    text = (tmp_path / "artifacts" / "report.md").read_text()
    assert paths["markdown"].endswith("report.md")
    assert "# credit@1 on credit@2" in text
    assert "| truth \\ answer | bad | good |" in text
    assert "## Most confident mistakes" in text
    assert plain("<b>|*x*\n[a](b) _c_ bill_length") == (r"\<b\>\|\*x\* \[a\](b) \_c\_ bill_length")


def test_an_evaluation_is_a_run(workspace, credit):
    run = Runs(workspace).create("evaluate", {"model": "credit", "batch_size": 64})
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    events = list(run.events())
    (result,) = [event for event in events if event["event"] == "result"]
    here = evaluate_model(workspace, "credit")
    assert result["metrics"] == pytest.approx(here.metrics, abs=1e-5)
    assert result["baseline"] == pytest.approx(here.baseline, abs=1e-5)
    assert (result["model"], result["dataset"], result["split"]) == ("credit@1", "credit@2", "test")
    assert json.loads((run.artifacts / "report.json").read_text())["rows"] == here.rows
    assert result["artifacts"]["markdown"] == str(run.artifacts / "report.md")
    last = [event for event in events if event["event"] == "step"][-1]
    assert last["step"] == last["steps"] == here.rows


def test_a_wrong_spec_fails_with_every_mistake(workspace):
    run = Runs(workspace).create("evaluate", {"modle": "credit", "batch_size": 0})
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    said = state.error["what"]
    assert 'no setting "modle". Did you mean "model"?' in said
    assert "batch_size must be a whole number from 1 up, not 0" in said
    assert "model is missing" in said


def test_a_model_moved_to_another_workspace_needs_a_data_set_named(credit, tmp_path):
    elsewhere = Workspace.open(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="trained on is not here") as caught:
        evaluate_model(elsewhere, str(credit.path))
    assert "Name one" in caught.value.hint
    imported(elsewhere, "applications", "tabular/credit_data.csv", target="Status")
    report = evaluate_model(elsewhere, str(credit.path), "applications")
    assert (report.split, report.baseline.keys()) == ("all", report.metrics.keys())
    assert report.rows > 4000
