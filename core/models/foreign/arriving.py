"""A model that was made elsewhere comes into the workspace, as a model folder like any other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.data.lake.names import as_name, valid_name
from core.errors import LeptonError, UsageError
from core.models.foreign import weights
from core.models.foreign.described import task_of_base
from core.models.hub.base import CONFIG, INDEX, WEIGHTS, Base
from core.models.hub.reading import FACTS
from core.models.hub.table import PRETRAINED
from core.models.registry import (
    ABOUT,
    CARD,
    INFO,
    ONNX,
    ModelFolder,
    Models,
    leads_out,
    open_folder,
    task_of,
)
from core.workspace import written_path

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.tasks.base import Task

_MOST_FACTS = 256 << 20
"""Bytes of a file that describes a model."""
_SHOWN = 3


@dataclass(frozen=True)
class Wish:
    """What a person says of a model that comes in.

    `like` is a model of the workspace whose weights a plain file holds, or that reads and tells the
    same as a graph; `column` and `target` are what a model of transformers reads and tells in the
    person's data, `language` what it writes down; `sha256` is what its weights must have.
    """

    name: str | None = None
    like: str | None = None
    column: str | None = None
    target: str | None = None
    language: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class _Found:
    module: nn.Module
    task: Task
    info: dict[str, Any]
    name: str


def bring_in(
    models: Models, place: str, wish: Wish, say: Callable[[str], None] = lambda _: None
) -> ModelFolder:
    """Look at a folder, a file of weights, a graph or a hub id, and publish it as a model.

    No file of the source is kept, only what was read out of it, and a graph as it is.

    Raises:
        UsageError: there is none such, it runs code when it is read, it is not the one that was
            meant, or it does not say what it is for.
        LeptonError: it is damaged, or cannot be fetched or written.
    """
    if wish.name is not None:
        valid_name(wish.name)
    path = written_path(place).absolute()
    staged = models.workspace.tmp / f"{os.getpid()}-{uuid4().hex}.model"
    beside = staged.with_suffix(".safetensors")
    try:
        if wish.language is not None and (path.is_file() or (path / INFO).is_file()):
            raise UsageError("--language goes with a model of transformers", where=place)
        if path.is_file() and path.suffix.lower() == ".onnx":
            found = _from_graph(models, path, wish, say)
        elif path.is_file():
            found = _from_file(models, path, beside, wish, say)
        elif wish.like is not None:
            raise UsageError("--like goes with a file of weights or a graph", where=place)
        elif (path / INFO).is_file():
            found = _from_lepton(path, wish, say)
        else:
            found = _from_transformers(str(path) if path.is_dir() else place, wish, say)
        return _publish(models, staged, found, wish)
    except OSError as error:
        raise LeptonError(
            f"the model cannot be brought in: {error.strerror}", where=error.filename or place
        ) from error
    finally:
        beside.unlink(missing_ok=True)
        shutil.rmtree(staged, ignore_errors=True)


def _publish(models: Models, staged: Path, found: _Found, wish: Wish) -> ModelFolder:
    from core.models.folder import save_model

    name = valid_name(wish.name or found.name)
    staged.mkdir()
    made = datetime.now(UTC).isoformat(timespec="seconds")
    save_model(staged, found.module, found.task, {"created": made, **found.info, "name": name})
    return models.publish(name, staged)


def _from_lepton(folder: Path, wish: Wish, say: Callable[[str], None]) -> _Found:
    from core.models.folder import load_module

    _check_files(folder, (INFO, WEIGHTS, CARD))
    model = open_folder(folder)
    digest = weights.check_digest(_there(model.weights), wish.sha256)
    say(f"a model of Lepton: {model.info['architecture']} for {model.info['task']}")
    info = {**model.info, "source": {"place": str(folder), "sha256": digest}}
    return _Found(load_module(model), task_of(model), info, _name(model.name))


def _from_transformers(place: str, wish: Wish, say: Callable[[str], None]) -> _Found:
    PRETRAINED.check_installed()
    on_hub = not place.startswith("/")
    if not on_hub:
        # The files of the hub's cache are links into it, and no one else's.
        _check_files(Path(place), (CONFIG, WEIGHTS, INDEX, *FACTS))
    base = Base.find(place).with_weights(say)
    files = base.weight_files()
    if not on_hub:
        _check_files(base.path, [file.name for file in files])
    if wish.sha256 is not None and len(files) > 1:
        raise UsageError("--sha256 goes with weights in one file", where=place)
    digests = [weights.check_digest(file, wish.sha256) for file in files]
    task = task_of_base(base, wish.column, wish.target, wish.language)
    say(f"a model of transformers: {base.structure['model_type']}, for {task.name}")
    for note in task.notes:
        say(note)

    from core.models.hub.pretrained import read

    module, fresh = read(base, task.shape)
    if fresh:
        raise UsageError(
            f"it has no weights for {_some(sorted(fresh))}: it was never trained for {task.name}",
            where=place,
            hint=f"Train on from it: lepton train DATASET --model {place}",
        )
    info = {
        "architecture": PRETRAINED.name,
        "options": {**PRETRAINED.defaults, "structure": dict(base.structure)},
        "base": place,
        "source": {"place": place, "sha256": digests[0] if len(digests) == 1 else digests},
    }
    return _Found(module, task, info, base.short)


def _from_file(
    models: Models, path: Path, beside: Path, wish: Wish, say: Callable[[str], None]
) -> _Found:
    from core.models.folder import load_module

    digest = weights.check_digest(path, wish.sha256)
    found = weights.read(path, beside)
    count = sum(value.numel() for value in found.values())
    say(f"weights alone: {len(found)} tensors, {count:,} numbers")
    if wish.like is None:
        raise UsageError(
            "a file of weights does not say what they are for",
            where=str(path),
            hint=_fitting(models, found),
        )
    like = models.get(wish.like)
    module, task = load_module(like), task_of(like)
    _fill(module, found, like, path)
    kept = ("architecture", "options", "base")
    info = {name: like.info[name] for name in kept if name in like.info}
    info |= {"from": like.ref, "source": {"place": str(path), "sha256": digest}}
    say(f"they are of a {info['architecture']} for {task.name}, as {like.ref} is")
    return _Found(module, task, info, _name(path.stem))


def _from_graph(models: Models, path: Path, wish: Wish, say: Callable[[str], None]) -> _Found:
    from core.models.foreign.graphs import GraphFile
    from core.models.graph import read_graph

    _check_files(path.parent, (ABOUT, CONFIG, *FACTS))
    digest = weights.check_digest(path, wish.sha256)
    graph = GraphFile.look(path)
    say(f"a graph in ONNX: {graph.numbers:,} numbers")
    like = None if wish.like is None else models.get(wish.like)
    task = graph.task(wish.column, wish.target) if like is None else task_of(like)
    graph.check(task)
    say(f"it is for {task.name}, and answers with ONNX Runtime")
    info: dict[str, Any] = {"architecture": ONNX, "options": {}, "parameters": graph.numbers}
    info |= {} if like is None else {"from": like.ref}
    info["source"] = {"place": str(path), "sha256": digest}
    return _Found(read_graph(path), task, info, _name(path.stem))


def _fitting(models: Models, found: Mapping[str, Tensor]) -> str:
    """A hint that names the models of the workspace which have such weights."""
    from core.models.folder import load_module

    sizes = {name: tuple(value.shape) for name, value in found.items()}
    able = []
    for model in models.list():
        try:
            own = load_module(model).state_dict()
        except LeptonError:
            continue
        if {name: tuple(value.shape) for name, value in own.items()} == sizes:
            able.append(model.ref)
    if able:
        return f"Name a model that reads and tells the same: --like {' or '.join(able[:_SHOWN])}"
    return (
        "No model here has such weights: train one of the same settings for an epoch, and name"
        " it with --like."
    )


def _fill(module: nn.Module, found: Mapping[str, Tensor], like: ModelFolder, path: Path) -> None:
    """Put the weights into a module of the same names and sizes.

    Raises:
        UsageError: they are of another, or no numbers.
    """
    own = module.state_dict()
    hint = f"They are not of a {like.info['architecture']} as {like.ref} is."
    if lacking := sorted(own.keys() - found.keys()):
        raise UsageError(f"the weights lack {_some(lacking)}", where=str(path), hint=hint)
    if strange := sorted(found.keys() - own.keys()):
        raise UsageError(f"the weights hold {_some(strange)} too", where=str(path), hint=hint)
    for name, value in found.items():
        if value.shape != own[name].shape:
            sizes = f"{_size(value)} and not {_size(own[name])}"
            raise UsageError(f'the size of "{name}" is {sizes}', where=str(path), hint=hint)
        if not value.isfinite().all():
            raise UsageError(f'"{name}" holds values that are no number', where=str(path))
    module.load_state_dict(dict(found))


def _check_files(folder: Path, names: tuple[str, ...] | list[str]) -> None:
    """Refuse links that lead out of a folder, and descriptions without end.

    Raises:
        UsageError: there is one.
    """
    for name in names:
        file = folder / name
        if not file.exists() and not file.is_symlink():
            continue
        if leads_out(file, folder) or not file.is_file():
            raise UsageError(
                "this is no file of the folder, but a link out of it",
                where=str(file),
                hint="Copy the folder with its files: cp -rL FOLDER COPY.",
            )
        if not name.endswith(".safetensors") and file.stat().st_size > _MOST_FACTS:
            raise UsageError("the file is too large to describe a model", where=str(file))


def _there(file: Path) -> Path:
    if not file.is_file():
        raise UsageError("the weights are missing", where=str(file))
    return file


def _name(said: str) -> str:
    return as_name(said) or "model"


def _size(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "one number"


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
