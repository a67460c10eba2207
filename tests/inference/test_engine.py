"""The engine answers as the bare model does, isolates bad rows, and keeps to its bound."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import LeptonError, UsageError
from core.inference import engine as engines
from core.inference import loaded
from core.inference.cache import Cache
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.inference.faults import Busy
from core.inference.inputs import lake_rows, read_inputs
from core.inference.loaded import UNMEASURED
from core.inference.messages import Answer, Row
from core.models import folder as folders
from core.models.folder import load_module
from core.models.registry import ModelFolder, Models
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import digits, flowers, png, publish, reviews


@pytest.fixture
def engine(models: Workspace) -> Engine:
    return Engine(models, "cpu")


def bare(workspace: Workspace, name: str, task: Task, rows: Sequence[dict]) -> list[dict]:
    """What the model says without the engine, in one batch."""
    module = load_module(Models(workspace).get(name))
    batch = run(as_tensors(task.encode(rows, target=False)), 0, len(rows))
    with torch.no_grad():
        return task.answers(module(*task.inputs(batch)).numpy())


@pytest.mark.parametrize("kind", ["table", "text", "image"])
def test_answers_are_the_bare_models(
    engine: Engine, models: Workspace, kind: str, request: pytest.FixtureRequest
) -> None:
    task = request.getfixturevalue(f"{kind}_task")
    name, rows = {
        "table": ("flowers", flowers().to_pylist()),
        "text": ("moods", reviews().to_pylist()),
        "image": ("digits", digits().to_pylist()),
    }[kind]
    rows = (rows * 4)[: UNMEASURED + 30]
    answers = engine.predict(name, [Row(str(at), row) for at, row in enumerate(rows)])
    expected = bare(models, name, task, rows)
    assert [answer.input for answer in answers] == [str(at) for at in range(len(rows))]
    assert [answer.label for answer in answers] == [each["label"] for each in expected]
    for answer, each in zip(answers, expected, strict=True):
        assert answer.scores == pytest.approx(each["scores"], abs=1e-5)
        assert answer.score == max(answer.scores.values())
    assert len({answer.score for answer in answers}) > 1


def test_a_number_is_a_value(engine: Engine, models: Workspace) -> None:
    from core.data.lake.lake import Lake
    from core.tasks import facts, guess
    from core.tasks import task as task_named

    with Lake(models).open("flowers") as view:
        fit = guess(facts(view), target="petal length", task="tabular-regression")
        task = task_named(fit.task).learn(fit, view)
    publish(models, task, "lengths")
    (answer,) = engine.predict("lengths", [{"colour": "red", "species": "long"}])
    (expected,) = bare(models, "lengths", task, [{"colour": "red", "species": "long"}])
    assert answer.value == pytest.approx(expected, abs=1e-5)
    assert answer.label is None
    assert answer.to_json()["output"] == answer.value


def test_a_bad_row_fails_alone(
    engine: Engine, models: Workspace, image_task: Task, pictures: Path
) -> None:
    rows = read_inputs(models, image_task, [str(pictures)])
    rows.append(Row("gone.png", {"image": pictures / "gone.png"}))
    rows.append(Row("line 7", error=LeptonError("a broken line")))
    good, broken, also_good, gone, line = engine.predict("digits", rows)
    assert good.ok
    assert also_good.ok
    assert [
        answer.error and answer.error.what.split(":")[0] for answer in (broken, gone, line)
    ] == [
        "the image cannot be read",
        "the file cannot be read",
        "a broken line",
    ]
    assert good.label == bare(models, "digits", image_task, [{"image": png(1)}])[0]["label"]


def test_words_in_a_number_column_fail_their_row(engine: Engine) -> None:
    rows = [{"petal length": value, "colour": "red"} for value in (1.5, "many", None)]
    answers = engine.predict("flowers", rows)
    assert [answer.ok for answer in answers] == [True, False, True]
    assert "'many' is no number" in str(answers[1].error)
    assert answers[1].input == "petal length=many colour=red"


def test_a_model_that_gives_no_number_says_so(
    engine: Engine, models: Workspace, table_task: Task
) -> None:
    publish(models, table_task, "broken", seed=4)
    with engine.use("broken") as loaded:
        next(iter(loaded.module.parameters())).data.fill_(torch.nan)
        (answer,) = engine.predict("broken", [{"petal length": 1, "colour": "red"}])
    assert "not a number" in str(answer.error)


def test_what_waits_for_a_model_is_answered_together(
    models: Workspace, table_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(models, table_task, "lined")
    sizes: list[int] = []
    solved = loaded.solved

    def counted(*given: Any, batch_size: int, **named: Any) -> Any:
        sizes.append(batch_size)
        return solved(*given, batch_size=batch_size, **named)

    monkeypatch.setattr(loaded, "solved", counted)
    engine = Engine(models, "cpu")
    row = {"petal length": 1, "colour": "red"}
    for _ in range(2):  # it is calibrated between the two
        (alone,) = engine.predict("lined", [row])
    with engine.use("lined") as model:
        assert model.calibration is not None
        model.calibration = replace(model.calibration, rows=16)
        sizes.clear()
        stuck = Stuck()
        held = model.lane.ask([stuck])
        assert stuck.read.wait(60)
        asked = [engine.submit("lined", [row]) for _ in range(20)]
        taken_back = engine.submit("lined", [row] * 100)
        assert taken_back.cancel()
        stuck.go.set()
        assert held.result(60)[0].ok
        for each in asked:
            assert each.result(60)[0].scores == pytest.approx(alone.scores, abs=1e-5)
    assert sizes == [1, 16, 4]
    assert engine.predict("lined", []) == []


class Stuck(Mapping[str, Any]):
    """A row that is read when somebody lets it be; `read` says that somebody has begun to."""

    def __init__(self) -> None:
        self.read, self.go = threading.Event(), threading.Event()
        self._row = {"petal length": 2, "colour": "red"}

    def __getitem__(self, name: str) -> Any:
        return self._row[name]

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[str]:
        self.read.set()
        assert self.go.wait(60)
        return iter(self._row)


def test_a_full_line_is_busy(models: Workspace) -> None:
    engine = Engine(models, "cpu", queue=3)
    stuck = Stuck()
    with engine.use("flowers") as model:
        row = {"petal length": 1, "colour": "red"}
        engine.predict("flowers", [row])
        held = model.lane.ask([stuck])
        assert stuck.read.wait(60)
        engine.submit("flowers", [row] * 3)
        with pytest.raises(Busy):
            engine.predict("flowers", [row])
        stuck.go.set()
        assert held.result(60)[0].ok


def test_one_bad_row_of_many_costs_few_calls(
    models: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = [{"petal length": 1, "colour": "red"} for _ in range(64)]
    rows[37]["petal length"] = "many"
    calls: list[int] = []
    with Engine(models, "cpu").use("flowers") as model:
        told = loaded.Loaded._told
        monkeypatch.setattr(
            loaded.Loaded, "_told", lambda self, part: calls.append(1) or told(self, part)
        )
        answers = model.answer(rows)
    assert [at for at, each in enumerate(answers) if not each.ok] == [37]
    assert len(calls) == 1 + 2 * 6


def test_a_model_by_its_name_and_by_its_folder_is_one(engine: Engine, models: Workspace) -> None:
    path = Models(models).get("flowers").path
    with engine.use("flowers") as one, engine.use(str(path)) as other, engine.use("flowers@1") as x:
        assert one is other is x


def test_unknown_and_damaged_models_are_named(
    engine: Engine, models: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        engine.predict("flower", ["x"])
    assert "flowers" in caught.value.hint
    copy = tmp_path / "copy"
    shutil.copytree(Models(models).get("flowers").path, copy)
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(LeptonError, match="cannot be read"):
        engine.predict(str(copy), ["x"])


def test_a_moved_folder_predicts_in_a_fresh_workspace(
    engine: Engine, models: Workspace, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "my-model"
    shutil.copytree(Models(models).get("moods").path, moved)
    fresh = Engine(Workspace.open(tmp_path / "fresh"), "cpu")
    asked = ["good film", "awful plot"]
    assert fresh.predict(str(moved), asked) == engine.predict("moods", asked)


def test_a_new_version_answers_at_once(engine: Engine, models: Workspace, table_task: Task) -> None:
    row = {"petal length": 5.2, "colour": "blue"}
    publish(models, table_task, "turning", seed=1)
    (first,) = engine.predict("turning", [row])
    publish(models, table_task, "turning", seed=2)
    assert engine.predict("turning", [row]) != [first]
    assert engine.predict("turning@1", [row]) == [first]


def test_while_versions_come_and_go_no_request_is_dropped(
    models: Workspace, table_task: Task
) -> None:
    row = {"petal length": 5.2, "colour": "blue"}
    publish(models, table_task, "rolling", seed=0)
    engine = Engine(models, "cpu")
    over, answered = threading.Event(), threading.Semaphore(0)
    failed: list[Answer | Exception] = []

    def ask() -> None:
        while not over.is_set():
            try:
                (answer,) = engine.predict("rolling", [row])
            except Exception as error:
                failed.append(error)
            else:
                failed.extend([] if answer.ok else [answer])
            answered.release()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for version in range(1, 6):
            publish(models, table_task, "rolling", seed=version)
            Models(models).remove(f"rolling@{version}")
            for _ in range(20):
                assert answered.acquire(timeout=60)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
    with engine.use("rolling") as newest, Engine(models, "cpu").use("rolling@6") as last:
        assert newest.folder.ref == last.folder.ref == "rolling@6"


def then_once(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]
) -> None:
    """Have something happen once, right before this is called."""
    real, left = getattr(owner, name), [act]

    def first(*given: Any, **named: Any) -> Any:
        if left:
            left.pop()()
        return real(*given, **named)

    monkeypatch.setattr(owner, name, first)


ROW = {"petal length": 5.2, "colour": "blue"}
MOMENTS: dict[str, tuple[Any, str]] = {
    "found": (Models, "_open"),
    "looked up": (engines, "_beside"),
    "loaded": (engines, "load_module"),
    "built": (folders, "build"),
    "hashed": (folders, "sha256_of"),
    "filled": (torch.nn.Module, "load_state_dict"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_version_removed_before_it_is_loaded_leaves_the_one_that_is_there(
    models: Workspace, table_task: Task, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    name = f"withdrawn-{moment.replace(' ', '-')}"
    publish(models, table_task, name, seed=1)
    (first,) = Engine(models, "cpu").predict(name, [ROW])
    publish(models, table_task, name, seed=2)
    engine = Engine(models, "cpu")
    then_once(monkeypatch, *MOMENTS[moment], lambda: Models(models).remove(f"{name}@2"))
    assert engine.predict(name, [ROW]) == [first]
    assert [each.folder.ref for each in engine.loaded()] == [f"{name}@1"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_model_removed_before_it_is_loaded_is_no_model(
    models: Workspace, table_task: Task, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    name = f"gone-{moment.replace(' ', '-')}"
    publish(models, table_task, name)
    engine = Engine(models, "cpu")
    then_once(monkeypatch, *MOMENTS[moment], lambda: Models(models).remove(name))
    with pytest.raises(UsageError, match=f'no model "{name}"'):
        engine.predict(name, [ROW])
    assert engine.loaded() == []


@pytest.mark.parametrize("moment", ["looked up", "loaded", "built", "filled"])
def test_a_folder_that_another_takes_the_place_of_is_never_half_of_each(
    models: Workspace,
    table_task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    for seed in (1, 2):
        name = f"swapped{seed}-{moment.replace(' ', '-')}"
        publish(models, table_task, name, seed=seed)
        shutil.move(Models(models).get(name).path, tmp_path / str(seed))
        # As one that was published when nobody kept the digest of its weights.
        info = json.loads((tmp_path / str(seed) / "model.json").read_text())
        del info["weights_sha256"]
        (tmp_path / str(seed) / "model.json").write_text(json.dumps(info))
    (second,) = Engine(models, "cpu").predict(str(tmp_path / "2"), [ROW])
    here = tmp_path / "here"
    (tmp_path / "1").rename(here)

    def swap() -> None:
        here.rename(tmp_path / "1")
        (tmp_path / "2").rename(here)

    engine = Engine(models, "cpu")
    then_once(monkeypatch, *MOMENTS[moment], swap)
    told = engine.predict(str(here), [ROW])
    assert told == [second]
    assert engine.predict(str(here), [ROW]) == told


def test_a_version_published_while_the_one_before_is_looked_up_answers_the_next_request(
    models: Workspace, table_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(models, table_task, "overtaken", seed=1)
    engine = Engine(models, "cpu")
    then_once(
        monkeypatch,
        engines,
        "_beside",
        lambda: publish(models, table_task, "overtaken", seed=2),
    )
    engine.predict("overtaken", [ROW])
    with engine.use("overtaken") as model:
        assert model.folder.ref == "overtaken@2"


def test_a_model_that_always_goes_while_it_is_loaded_ends_with_an_error(
    models: Workspace, table_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(models, table_task, "restless")
    real = engines.load_module

    def load(folder: ModelFolder, device: torch.device) -> torch.nn.Module:
        publish(models, table_task, "restless")
        Models(models).remove(folder.ref)
        return real(folder, device)

    monkeypatch.setattr(engines, "load_module", load)
    engine = Engine(models, "cpu")
    with pytest.raises(LeptonError, match="went while it was loaded"):
        engine.predict("restless", [ROW])
    monkeypatch.undo()
    assert engine.predict("restless", [ROW])[0].ok


def test_many_first_requests_load_once(models: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    all_there = threading.Barrier(8)

    def load(folder: object, device: object) -> torch.nn.Module:
        loads.append(str(folder))
        return load_module(folder, device)

    monkeypatch.setattr(engines, "load_module", load)
    engine = Engine(models, "cpu")
    answers: list[list[Answer]] = []

    def ask() -> None:
        all_there.wait()
        answers.append(engine.predict("digits", [png(5)]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(answers) == 8
    (first,), *others = answers
    # Some were answered together, which changes the last digits.
    assert all(one.scores == pytest.approx(first.scores, abs=1e-5) for (one,) in others)


def test_the_least_recently_used_goes_when_bytes_run_out(
    models: Workspace, table_task: Task
) -> None:
    before = set(threading.enumerate())
    for at in range(3):
        publish(models, table_task, f"net{at}", seed=at)
    row = {"petal length": 1, "colour": "red"}
    with Engine(models, "cpu").use("net0") as loaded:
        size = loaded.bytes
    assert size == 4 * sum(each.numel() for each in loaded.module.parameters())
    engine = Engine(models, "cpu", cache_bytes=2 * size)
    for name in ("net0", "net1", "net0", "net2"):
        engine.predict(name, [row])
    assert [held.folder.name for held in engine.loaded()] == ["net0", "net2"]
    # A model in use stays, whatever comes; what went is really gone.
    with engine.use("net0") as used:
        for name in ("net1", "net2"):
            engine.predict(name, [row])
        assert used in engine.loaded()
    module = weakref.ref(used.module)
    del used, loaded
    engine.close()
    for lane in set(threading.enumerate()) - before:
        lane.join()
    gc.collect()
    assert engine.loaded() == []
    assert module() is None


def test_a_model_larger_than_the_cache_still_answers(models: Workspace) -> None:
    engine = Engine(models, "cpu", cache_bytes=1)
    assert engine.predict("moods", ["good"])[0].ok
    assert engine.loaded() == []


def test_a_failed_load_is_tried_again() -> None:
    class Thing:
        bytes = 1

        def close(self) -> None: ...

    cache: Cache[Thing] = Cache(10)

    def fail() -> Thing:
        raise LeptonError("no")

    with pytest.raises(LeptonError), cache.use("a", fail):
        pass
    with cache.use("a", Thing) as thing:
        assert cache.values() == [thing]
    assert cache.bytes == 1


def test_the_callers_threads_are_its_own(models: Workspace, text_task: Task) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    torch.set_num_threads(3)
    try:
        engine = Engine(models, "cpu", threads=2)
        with engine.use("moods") as model:
            model.module.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
            engine.predict("moods", ["good"])
        assert set(seen) == {2}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_rows_of_the_lake_are_answered(engine: Engine, models: Workspace, image_task: Task) -> None:
    rows = lake_rows(models, image_task, "digits", [3, 1])
    assert [answer.input for answer in engine.predict("digits", rows)] == ["digits#3", "digits#1"]
