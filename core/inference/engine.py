"""The engine: one road from a person's row to a model's answer, for every front door."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from core.devices.facts import resolve
from core.errors import LeptonError, UsageError, nearest
from core.generation.chat import Prompt
from core.generation.pieces import Ending, Piece
from core.generation.sampling import Sampling
from core.inference.cache import CACHE_BYTES, Cache
from core.inference.hearing import Pieces
from core.inference.loaded import Given, Loaded
from core.inference.messages import Answer, Embedded
from core.inference.ready import ready
from core.models.folder import load_module
from core.models.graph import exported_graph
from core.models.registry import DAMAGED, ONNX, RUNTIMES, ModelFolder, Models, task_of
from core.tasks.base import Task
from core.workspace import Workspace

# What is still frozen when the interpreter ends is reported as leaked by libraries in C++.
atexit.register(gc.unfreeze)


LOOKS = 5
"""So often may a model be another as soon as it is found; then who asks hears of it."""


class Found(NamedTuple):
    """Where a model was found that was asked for as `ref`, and the one name of that place."""

    ref: str
    folder: ModelFolder
    place: str
    beside: int
    """Changes when the model gets a newer version."""


class Gone(LeptonError):  # noqa: N818 - it is nobody's fault
    """A model that was removed, or that another took the place of, while it was loaded."""

    def __init__(self, ref: str) -> None:
        super().__init__("the model went while it was loaded", where=ref, hint="Ask again.")


class Engine:
    """Answers rows with the models of a workspace, or of any model folder.

    Models load when they are first asked for and stay while `cache_bytes` has room. Use it from as
    many threads as you like: rows that wait for a model are answered together. `runtime` is one of
    `RUNTIMES`. `threads` are the processor threads of one call, None: as many as are quickest here.
    More than `queue` rows do not wait for a model. `frozen` keeps the garbage collector off what is
    loaded, which costs a full collection each time: for who answers for long.

    Raises:
        UsageError: there is no such device or runtime.
    """

    def __init__(
        self,
        workspace: Workspace,
        device: str = "auto",
        *,
        runtime: str = "torch",
        cache_bytes: int = CACHE_BYTES,
        threads: int | None = None,
        queue: int | None = None,
        frozen: bool = False,
    ) -> None:
        self.device = _device(device, runtime)
        self.runtime = runtime
        self.threads = threads
        self.queue = queue
        self._frozen = frozen
        self._models = Models(workspace)
        self._found: dict[str, Found] = {}
        self._cache: Cache[Loaded] = Cache(cache_bytes)

    @contextmanager
    def use(self, ref: str | Found) -> Iterator[Loaded]:
        """The model of a name ("digits", its newest version), "digits@2" or a folder; loaded once.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged.
        """
        with ExitStack() as stack:
            yield self._enter(stack, self._find(ref) if isinstance(ref, str) else ref)

    def _enter(self, stack: ExitStack, found: Found) -> Loaded:
        """Have a model in use until the stack is left; what is there now, where it went since it
        was found."""
        for _ in range(LOOKS):
            try:
                return stack.enter_context(
                    self._cache.use(_key(found), partial(self._load, found.folder))
                )
            except Gone:
                found = self._find(found.ref)
        raise Gone(found.ref)

    def submit(
        self, ref: str | Found, rows: Sequence[Given], *, here: bool = False
    ) -> Future[list[Answer]]:
        """Ask without waiting, once the model is there. A future that is cancelled takes its rows
        back; the model stays in memory until then. With `here` an idle, quick model may answer on
        this thread.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged.
            Busy: too many rows wait.
        """
        with ExitStack() as stack:
            model = stack.enter_context(self.use(ref))
            answers = model.lane.ask(rows, here=here and model.foresees(rows))
            release = stack.pop_all()
        answers.add_done_callback(lambda _: release.close())
        return answers

    def predict(self, ref: str, rows: Sequence[Given]) -> list[Answer]:
        """One answer for each row, in order. A row that cannot be answered carries its error alone.

        A row is a `Row`, a mapping of columns, or a text or path that the task can read.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged.
            Busy: too many rows wait.
        """
        answers = self.submit(ref, rows)
        try:
            return answers.result()
        finally:
            answers.cancel()

    def stream(
        self, ref: str, prompt: Prompt, sampling: Sampling, hear: Callable[[Piece], None]
    ) -> Future[Ending]:
        """Have a text or a conversation gone on with: `hear` is told each part of it as it
        comes, on a thread of the engine's, and may not wait. A future that is cancelled ends it.

        Raises:
            UsageError: there is no such model, it does not go on with texts, the prompt has more
                pieces than it takes, or the settings cannot be.
            LeptonError: its folder is damaged, or a package for the settings is missing.
            Busy: too many answers wait.
        """
        with ExitStack() as stack:
            model = stack.enter_context(self.use(ref))
            ending = model.streams.ask(model.task.generation(prompt, sampling), hear)
            release = stack.pop_all()
        ending.add_done_callback(lambda _: release.close())
        return ending

    def generate(self, ref: str, prompt: Prompt, sampling: Sampling) -> Pieces:
        """What a text or a conversation goes on with, as it comes; who closes it ends it.

        Raises what `stream` does, and LeptonError when the model cannot go on.
        """
        return Pieces(lambda hear: self.stream(ref, prompt, sampling, hear))

    def embed(self, ref: str | Found, texts: Sequence[str]) -> Future[list[Embedded | LeptonError]]:
        """A vector for each text, or why there is none, without waiting once the model is there.

        Raises:
            UsageError: there is no such model, or it makes no vectors of texts.
            LeptonError: its folder is damaged.
            Busy: too many texts wait.
        """
        with ExitStack() as stack:
            model = stack.enter_context(self.use(ref))
            if not model.embeds:
                name, task = model.folder.ref, model.task.name
                raise UsageError(f"{name} makes no vectors of texts: it is for {task}")
            vectors = model.embedding.ask(texts)
            release = stack.pop_all()
        vectors.add_done_callback(lambda _: release.close())
        return vectors

    def held(self, ref: str) -> Found | None:
        """A model that is in memory, so that a request for it waits for no loading; None where it
        is not."""
        known = self._found.get(ref)
        if known is None or not _is_current(known) or not self._cache.holds(_key(known)):
            return None
        return known

    def loaded(self) -> list[Loaded]:
        """The models in memory, the least recently used first."""
        return self._cache.values()

    def close(self) -> None:
        """Let go of every model."""
        self._cache.clear()

    def _find(self, ref: str) -> Found:
        """The folder of a model, looked up anew where something has changed beside it or in it."""
        known = self._found.get(ref)
        if known is not None and _is_current(known):
            return known
        # What comes beside it after this is seen at the next request.
        beside = _beside(self._models.get(ref))
        folder = self._models.get(ref)
        found = Found(ref, folder, str(folder.path.resolve()), beside)
        self._found[ref] = found
        return found

    def _load(self, folder: ModelFolder) -> Loaded:
        """The model of a folder, whole.

        Raises:
            Gone: it is not there any more, or another is.
            LeptonError: it is damaged.
        """
        try:
            loaded = self._read(folder)
        except (LeptonError, OSError) as error:
            if not folder.is_there:
                raise Gone(folder.ref) from error
            if isinstance(error, LeptonError):
                raise
            what = f"the model cannot be read: {error.strerror}"
            raise LeptonError(what, where=str(folder.path), hint=DAMAGED) from error
        # Else its weights may be those of one that took its place.
        if not folder.is_there:
            raise Gone(folder.ref)
        return loaded

    def _read(self, folder: ModelFolder) -> Loaded:
        # Frozen objects of a model that went are thawed, or the collector would never see them.
        gc.unfreeze()
        task = task_of(folder)
        module = self._module(folder, task)
        if self._frozen:
            # A full collection with torch loaded takes 0.1 s; frozen, what stays is not looked at.
            gc.collect()
            gc.freeze()
        most = self._cache.most_bytes
        return Loaded(folder, task, module, self.device, self.threads, self.queue, most)

    def _module(self, folder: ModelFolder, task: Task) -> nn.Module:
        if self.runtime == "onnx" and folder.info["architecture"] != ONNX:
            if task.talks:
                what = f"models for {task.name} answer with torch alone"
                raise UsageError(what, where=folder.ref, hint="Ask it without --runtime onnx.")
            return exported_graph(folder).eval()
        return ready(load_module(folder, self.device), task)


def _device(name: str, runtime: str) -> torch.device:
    if runtime not in RUNTIMES:
        raise UsageError(f'there is no runtime "{runtime}"', hint=nearest(runtime, RUNTIMES))
    if runtime == "torch":
        return resolve(name)
    if name not in ("auto", "cpu"):
        what = f"ONNX Runtime answers on the processor here, and not on {name}"
        raise UsageError(what, hint="Leave out --device, or --runtime.")
    return torch.device("cpu")


def _key(found: Found) -> Hashable:
    return found.place, found.folder.stamp


def _is_current(found: Found) -> bool:
    return found.folder.is_there and _beside(found.folder) == found.beside


def _beside(folder: ModelFolder) -> int:
    """Another number when something comes or goes beside a model; 0: there is nothing."""
    try:
        return folder.path.parent.stat().st_mtime_ns
    except OSError:
        return 0
