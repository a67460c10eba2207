"""The SDK: data sets and models as Python objects, over the same workspace as the app."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from core.data.builtin.datasets import BUILTIN, load_builtin
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.splitting.split import ensure_split
from core.data.splitting.split import split as split_rows
from core.errors import LeptonError, UsageError, meant, nearest
from core.models.architectures import ARCHITECTURES
from core.models.registry import RUNTIMES, ModelFolder, Models, task_of
from core.training.start import start_training
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.profile import Profile
    from core.data.quality.check import Finding
    from core.inference.hearing import Pieces
    from core.inference.messages import Answer
    from core.inference.process import EngineProcess
    from core.runs.run import Run

Said: TypeAlias = str | Sequence[Mapping[str, str]]
"""A text, or a conversation."""


def load(name: str, source: str | Path | None = None) -> Dataset | Model:
    """A data set or a model by its name.

    A data set is one of the workspace ("penguins", "penguins@2") or a built-in one, which is
    brought in at its first use; `source` names its local archive. A model is a trained one, its
    folder, or `DATASET_ARCHITECTURE` ("mnist_resnet18"), to be trained.

    Raises:
        UsageError: there is nothing of that name.
        LeptonError: a built-in data set cannot be had.
    """
    workspace = Workspace.open()
    lake, models = Lake(workspace), Models(workspace)
    plain_name = name.partition("@")[0]
    datasets = {version.dataset for version in lake.datasets()}
    if source is not None and name not in BUILTIN:
        raise UsageError(
            "source names the local archive of a built-in data set",
            where=name,
            hint=f"There are: {', '.join(BUILTIN)}. Bring others in with: lepton data import",
        )
    if plain_name in datasets and source is None:
        return Dataset(workspace, lake.version(name))
    if name in BUILTIN:
        return Dataset(workspace, _bring_in(workspace, name, source))
    if plain_name in models.names() or (name and Path(name).is_dir()):
        found = models.get(name)
        return Model(workspace, found.name, found.info["architecture"], found)
    untrained = _untrained(name, datasets | set(BUILTIN))
    if untrained is not None:
        return Model(workspace, name, untrained, None)
    pairs = {f"{dataset}_{each}" for dataset in (*datasets, *BUILTIN) for each in ARCHITECTURES}
    known = {*datasets, *BUILTIN, *models.names()}
    raise UsageError(
        f'there is no data set and no model "{name}"',
        hint=meant(name, pairs | known) or nearest(name, known),
    )


def _untrained(name: str, datasets: set[str]) -> str | None:
    """The architecture of `DATASET_ARCHITECTURE`; the longest that fits."""
    fits = [
        each
        for each in ARCHITECTURES
        if name.endswith(f"_{each}") and name.removesuffix(f"_{each}") in datasets
    ]
    return max(fits, key=len, default=None)


def _bring_in(workspace: Workspace, name: str, source: str | Path | None) -> Version:
    from lepton_tui.cli.status import counting

    notes: list[str] = []
    with counting(f"Importing {name}") as progress:
        version = load_builtin(Lake(workspace), name, source, progress, notes=notes)
    _say_notes(notes)
    return version


def _say_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


class Dataset:
    """One version of a data set."""

    def __init__(self, workspace: Workspace, version: Version) -> None:
        self.workspace = workspace
        self.version = version
        self._lake = Lake(workspace)

    def __repr__(self) -> str:
        return f"<Dataset {self.version.ref}: {self.rows:,} rows, {self.task or 'no task'}>"

    def __len__(self) -> int:
        return self.rows

    @property
    def name(self) -> str:
        return self.version.dataset

    @property
    def rows(self) -> int:
        return self.version.rows

    @property
    def columns(self) -> list[str]:
        return list(self.version.column_names)

    @property
    def task(self) -> str | None:
        return self.version.task

    @property
    def splits(self) -> dict[str, int]:
        """Rows in each split."""
        with self._lake.open(self.version) as view:
            return view.splits()

    def head(self, rows: int = 5) -> list[dict[str, Any]]:
        """The first rows, as mappings."""
        with self._lake.open(self.version) as view:
            return [dict(zip(self.columns, row[1:], strict=True)) for row in view.page(0, rows)]

    def to_arrow(self) -> pa.Table:
        """All rows, with their ids in `_rid`."""
        import pyarrow as pa

        with self._lake.open(self.version) as view:
            return pa.Table.from_batches(list(view.batches(self.columns)))

    def split(self, **how: Any) -> Dataset:
        """A new version whose rows belong to train, validation and test."""
        return Dataset(self.workspace, split_rows(self._lake, self.version, **how))

    def profile(self) -> Profile:
        """What each column holds."""
        from core.data.profile import profile

        with self._lake.open(self.version) as view:
            return profile(view)

    def check(self, target: str | None = None) -> list[Finding]:
        """What would spoil training."""
        from core.data.quality.check import check

        with self._lake.open(self.version) as view:
            return check(view, target)


class Model:
    """A model: trained, or still to be trained."""

    def __init__(
        self, workspace: Workspace, name: str, architecture: str, folder: ModelFolder | None
    ) -> None:
        self.workspace = workspace
        self.name = name
        self.architecture = architecture
        self.folder = folder
        self.run: Run | None = None
        self._engines: dict[str, EngineProcess] = {}

    def __repr__(self) -> str:
        state = self.folder.ref if self.folder else "not trained yet"
        return f"<Model {self.name}: {self.architecture}, {state}>"

    def train(self, dataset: Dataset | str, **settings: Any) -> Model:
        """Train it in a process of its own, and follow it; one line an epoch.

        `settings` are those of `lepton train`: epochs, batch_size, lr, seed, augment
        ("flip,rotate=15" or a list) and so on. An interrupt (Ctrl-C) stops the run with all saved.

        Raises:
            UsageError: a setting is wrong.
            LeptonError: the training failed or was stopped.
        """
        from lepton_tui.cli.follow import follow

        version = Lake(self.workspace).version(_ref(dataset))
        settings = {"model": self.architecture, "name": self.name, **settings}
        notes: list[str] = []
        self.run = start_training(self.workspace, {"dataset": version.ref, **settings}, notes)
        for each in notes:
            print(each, flush=True)
        try:
            state = follow(self.run, lambda text: print(text, flush=True))
        except KeyboardInterrupt:
            self.run.stop(wait=None)
            raise
        if state.state != "finished" or state.model is None:
            raise LeptonError(
                f"the training was {state.state}",
                where=self.run.id,
                hint=f"Go on with: lepton runs resume {self.run.id}",
            )
        self.folder = Models(self.workspace).get(state.model)
        return self

    def validate(self, dataset: Dataset | str, batch_size: int = 256) -> dict[str, float]:
        """Judge it on the validation split; prints a line and returns the metrics."""
        return self._judge(dataset, "validation", batch_size)

    def test(self, dataset: Dataset | str, batch_size: int = 256) -> dict[str, float]:
        """Judge it on the test split; prints a line and returns the metrics."""
        return self._judge(dataset, "test", batch_size)

    def predict(self, inputs: Any, *, runtime: str = RUNTIMES[0]) -> list[Answer]:
        """Answers for one input or a sequence of them: paths, texts or mappings of columns.

        `runtime` "onnx" has ONNX Runtime answer, with the graph that the model was exported to.
        """
        from core.inference.inputs import read_inputs

        folder = self._trained()
        one = isinstance(inputs, str | bytes | Path | Mapping) or not isinstance(inputs, Sequence)
        rows = read_inputs(self.workspace, task_of(folder), [inputs] if one else list(inputs))
        return self._engine(runtime).predict(folder.ref, rows)

    @overload
    def generate(self, prompt: Said, *, stream: Literal[False] = False, **settings: Any) -> str: ...

    @overload
    def generate(self, prompt: Said, *, stream: Literal[True], **settings: Any) -> Pieces: ...

    def generate(self, prompt: Said, *, stream: bool = False, **settings: Any) -> str | Pieces:
        """What a language model says: how a text goes on, or the answer to a conversation.

        A conversation is a list of {"role": "system", "user" or "assistant", "content": …}, which
        the model's chat template writes. `settings` are those of `lepton chat`: max_tokens,
        temperature, top_k, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty,
        seed, stop, json, schema, logit_bias. With `stream` its parts come as they are said: each
        has a `text`, the last an `ending` with the speeds; who closes the iterator ends the answer.
        Then `logprobs`, a number, has each part tell its `tokens`, how likely the model itself
        thought them, and so many of the likeliest beside each.

        Raises:
            UsageError: a setting or the prompt cannot be, or the model does not go on with texts.
            LeptonError: the model cannot go on, or the engine ended.
        """
        from core.generation.chat import Message
        from core.generation.sampling import Sampling

        asked = prompt if isinstance(prompt, str) else [Message.of(each) for each in prompt]
        sampling = Sampling.of(settings)
        if sampling.logprobs is not None and not stream:
            raise UsageError(
                "logprobs come with the parts of an answer", hint="Ask with stream=True."
            )
        pieces = self._engine().generate(self._trained().ref, asked, sampling)
        return pieces if stream else "".join(piece.text for piece in pieces)

    def _engine(self, runtime: str = RUNTIMES[0]) -> EngineProcess:
        from core.inference.process import EngineProcess

        if runtime not in self._engines:
            self._engines[runtime] = EngineProcess(self.workspace, runtime=runtime)
        return self._engines[runtime]

    def _trained(self) -> ModelFolder:
        if self.folder is None:
            raise UsageError(f"{self.name} is not trained yet", hint="Call train first.")
        return self.folder

    def _judge(self, dataset: Dataset | str, split: str, batch_size: int) -> dict[str, float]:
        from core.evaluation.evaluate import evaluate_model

        folder = self._trained()
        report = evaluate_model(
            self.workspace,
            folder.ref,
            self._with_splits(dataset, folder),
            split,
            batch_size=batch_size,
        )
        metric = task_of(folder).metric
        # Without the training rows at hand, as on another machine, there is no baseline.
        baseline = report.baseline.get(metric)
        beside = "" if baseline is None else f" (baseline {baseline:.4f})"
        print(f"{split} {metric} {report.metrics[metric]:.4f}{beside}", flush=True)
        _say_notes(report.notes)
        return report.metrics

    def _with_splits(self, dataset: Dataset | str, folder: ModelFolder) -> str:
        """The version to judge on: the one that training split, when it is of the same data."""
        lake = Lake(self.workspace)
        version = lake.version(_ref(dataset))
        trained = f"{folder.info.get('dataset')}@{folder.info.get('dataset_version')}"
        if version.dataset == folder.info.get("dataset"):
            made_from = lake.version(trained)
            if version.ref in (made_from.ref, *made_from.parents):
                return made_from.ref
        task = task_of(folder)
        way = task.split_way(task.columns)
        return ensure_split(lake, version, target=task.target, task=task.name, **way).ref


def _ref(dataset: Dataset | str) -> str:
    return dataset.version.ref if isinstance(dataset, Dataset) else dataset
