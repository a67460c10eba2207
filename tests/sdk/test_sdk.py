"""Data sets and models as Python objects."""

from __future__ import annotations

from pathlib import Path

import pytest

import lepton_tui as l
from core.data.builtin.samples import sample_data
from core.errors import LeptonError, UsageError
from core.inference.messages import Answer
from core.ingest import ingest
from core.workspace import Workspace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with penguins in it."""
    folder = tmp_path_factory.mktemp("home")
    source = sample_data() / "tabular" / "penguins.csv"
    ingest(Workspace.open(folder), str(source), "penguins", target="species")
    return folder


@pytest.fixture(autouse=True)
def there(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(home))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(home: Path) -> l.Model:
    """A small network that has learnt the species."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEPTON_HOME", str(home))
        return l.load("penguins_mlp").train("penguins", epochs=12, seed=1)


@pytest.mark.slow
def test_the_sample_digits_are_learnt(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dataset = l.load("mnist-sample")
    model = l.load("mnist-sample_cnn")
    assert repr(model) == "<Model mnist-sample_cnn: cnn, not trained yet>"
    assert model.train(dataset, num_epochs=2, options={"width": 8}) is model
    assert repr(model) == "<Model mnist-sample_cnn: cnn, mnist-sample_cnn@1>"
    metrics = model.test(dataset)
    said = capsys.readouterr().out
    assert said.startswith("num_epochs is called epochs here")
    assert [line.split()[1] for line in said.splitlines() if line.startswith("epoch")] == [
        "1/2",
        "2/2",
    ]
    assert f"test accuracy {metrics['accuracy']:.4f} (baseline 0.1000)" in said
    assert metrics["accuracy"] > 0.8
    assert "image" in dataset.head(1)[0]
    picture = tmp_path / "digit.png"
    picture.write_bytes(dataset.head(1)[0]["image"])
    by_path, by_bytes = (model.predict(each)[0] for each in (picture, dataset.head(1)[0]["image"]))
    assert by_path.label == by_bytes.label
    # Another program finds the model that this one made.
    assert l.load("mnist-sample_cnn").test(dataset) == metrics


def test_a_dataset_tells_of_itself() -> None:
    dataset = l.load("penguins")
    assert isinstance(dataset, l.Dataset)
    assert len(dataset) == dataset.rows == 344
    assert dataset.task == "tabular-classification"
    assert repr(l.load("penguins@1")) == "<Dataset penguins@1: 344 rows, tabular-classification>"
    first = dataset.head(1)[0]
    assert list(first) == dataset.columns
    assert first["species"] == "Adelie"
    assert dataset.to_arrow().num_rows == 344
    assert dataset.to_arrow().column("species")[0].as_py() == "Adelie"
    assert {each.name for each in dataset.profile().columns} == set(dataset.columns)
    assert {"missing"} <= {finding.kind for finding in dataset.check()}


def test_a_split_is_a_new_version(home: Path) -> None:
    source = sample_data() / "tabular" / "penguins.csv"
    ingest(Workspace.open(home), str(source), "birds", target="species")
    dataset = l.load("birds")
    assert dataset.splits == {}
    parts = dataset.split(validation=0.2, test=0.25, seed=3)
    assert parts.version.n == dataset.version.n + 1
    assert sum(parts.splits.values()) == 344
    assert parts.splits["test"] == pytest.approx(86, abs=2)


def test_judging_returns_the_metrics_it_prints(
    trained: l.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    for judge, split in ((trained.validate, "validation"), (trained.test, "test")):
        metrics = judge("penguins", batch_size=16)
        assert all(type(value) is float for value in metrics.values())
        assert metrics["accuracy"] > 0.8
        assert capsys.readouterr().out.startswith(f"{split} accuracy {metrics['accuracy']:.4f} (")
        # As it was before training split it, it means the rows that training did not see.
        assert judge(l.load("penguins@1"), batch_size=7)["accuracy"] == metrics["accuracy"]
        capsys.readouterr()


def test_one_input_or_several(trained: l.Model) -> None:
    row = {**l.load("penguins").head(1)[0], "species": None}
    (one,) = trained.predict(row)
    assert isinstance(one, Answer)
    assert one.label == "Adelie"
    assert sum(one.scores.values()) == pytest.approx(1)
    for each in trained.predict([row, row]):
        assert each.scores == pytest.approx(one.scores, abs=1e-5)
    assert trained.predict([]) == []
    rows = trained.predict("penguins#0,2-3")
    assert [answer.input for answer in rows] == ["penguins#0", "penguins#2", "penguins#3"]


def test_a_wrong_input_has_an_error_for_its_answer(trained: l.Model) -> None:
    row = l.load("penguins").head(1)[0]
    number = next(name for name, value in row.items() if isinstance(value, float))
    good, bad = trained.predict([row, {**row, number: "many"}])
    assert good.ok
    assert bad.label is None
    assert "'many' is no number" in str(bad.error)
    with pytest.raises(UsageError, match="nope"):
        trained.predict({"nope": 3})


def test_a_model_folder_can_be_carried_elsewhere(
    trained: l.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = l.load("penguins").head(1)[0]
    expected = trained.predict(row)[0]
    moved = tmp_path / "moved"
    moved.mkdir()
    assert trained.folder is not None
    for path in trained.folder.path.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    other = Workspace.open(tmp_path / "another home")
    monkeypatch.setenv("LEPTON_HOME", str(other.home))
    model = l.load(str(moved))
    assert model.predict(row)[0].scores == expected.scores
    source = sample_data() / "tabular" / "penguins.csv"
    ingest(other, str(source), "others", target="species")
    capsys.readouterr()
    accuracy = model.test("others")["accuracy"]
    assert accuracy > 0.8
    assert capsys.readouterr().out.startswith(f"test accuracy {accuracy:.4f} (baseline ")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pengiuns", '"penguins"'),
        ("mnits", '"mnist"'),
        ("mnist_resnet81", '"mnist_resnet18"'),
        ("penguins_mpl", '"penguins_mlp"'),
        ("", "There are: "),
    ],
)
def test_an_unknown_name_names_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match="no data set and no model") as caught:
        l.load(name)
    assert meant in caught.value.hint
    # What Python prints under an error that nobody caught.
    assert caught.value.__notes__ == [caught.value.hint]


@pytest.mark.parametrize(
    ("settings", "words", "hint"),
    [
        ({"epoch": 3}, '"epoch"', '"epochs"'),
        ({"target": "specis"}, '"specis"', '"species"'),
        ({"inputs": ["iland"]}, '"iland"', '"island"'),
        ({"task": "tabular-clasification"}, "no task", "tabular-classification"),
        ({"model": "mpl"}, '"mpl"', '"mlp"'),
        ({"epochs": 0}, "epochs must be", ""),
        ({"device": "gpu"}, "device must be", ""),
        ({"lr": "fast"}, "lr must be", ""),
        ({"augment": "flp"}, '"flp"', '"flip"'),
        ({"augment": ["flip"]}, "flip is for images", "none for them"),
    ],
)
def test_a_wrong_setting_starts_no_run(home: Path, settings: dict, words: str, hint: str) -> None:
    before = sorted(Workspace.open(home).runs.iterdir())
    with pytest.raises(UsageError) as caught:
        l.load("penguins_mlp").train("penguins", **settings)
    assert words in str(caught.value)
    assert hint in f"{caught.value} {caught.value.hint}"
    assert sorted(Workspace.open(home).runs.iterdir()) == before


def test_the_wrong_order_is_said() -> None:
    model = l.load("mnist_cnn")
    for call in (model.test, model.validate):
        with pytest.raises(UsageError, match="mnist_cnn is not trained yet"):
            call("penguins")
    with pytest.raises(UsageError, match="not trained yet"):
        model.predict("x.png")
    with pytest.raises(UsageError, match='no data set "pengins"') as caught:
        model.train("pengins")
    assert '"penguins"' in caught.value.hint
    with pytest.raises(UsageError, match="cnn is no model for tabular-classification"):
        model.train("penguins")
    with pytest.raises(UsageError, match="names the local archive of a built-in data set"):
        l.load("penguins", source="penguins.csv")


def test_a_training_that_fails_says_why(home: Path) -> None:
    workspace = Workspace.open(home)
    table = workspace.home / "same.csv"
    table.write_text("a,b\n" + "".join(f"{n},1\n" for n in range(40)))
    ingest(workspace, str(table), "same")
    with pytest.raises(LeptonError, match="one class"):
        l.load("same_mlp").train("same", target="b", task="tabular-classification")
