"""Models that others trained: found in a folder or on the hub, looked at without loading torch.

A hub id is looked for in Hugging Face's own cache first; what is missing there is fetched, since a
person named it. Weights are read from safetensors alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from core.data.sources.remote.reaching import bound_hub
from core.errors import LeptonError, UsageError, first_line
from core.models.architecture import Architecture
from core.models.hub.reading import FACTS, TOKENIZER, json_of, reading_of
from core.models.hub.table import PRETRAINED
from core.tasks.preprocessing import Reading
from core.workspace import written_path

CONFIG = "config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
RATES = {"full": 5e-5, "lora": 5e-4, "head": 2e-3}
"""Learning rates that suit (with AdamW) what is trained of a model."""
_FOLDER = (".", "/", "~")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_base(model: str | None) -> bool:
    """Whether a model's name is a place: a folder (./it, /it, ~/it) or a hub id (owner/name)."""
    return model is not None and (model.startswith(_FOLDER) or "/" in model)


def placed(model: str) -> str:
    """The same with a folder's whole path, so that it means the same from everywhere."""
    return str(written_path(model).absolute()) if model.startswith(_FOLDER) else model


@dataclass(frozen=True)
class Base:
    """A pretrained model: its name, the folder it lies in, and what its config.json says."""

    ref: str
    path: Path
    structure: Mapping[str, Any]

    @classmethod
    def find(cls, ref: str) -> Base:
        """The model of a folder or hub id, without its weights where those would be fetched.

        Raises:
            UsageError: there is none, or none that can be read.
            LeptonError: the hub cannot be reached.
        """
        if not ref.startswith(_FOLDER):
            return cls._on_hub(ref)
        folder = Path(placed(ref))
        if not folder.is_dir():
            raise UsageError(
                "there is no such folder",
                where=str(folder),
                hint="A model of the hub is written OWNER/NAME.",
            )
        if (folder / "model.json").exists():
            raise UsageError(
                "this is a model that Lepton trained, and none of transformers", where=str(folder)
            )
        base = cls.described(folder, ref)
        base._check_weights()
        return base

    @classmethod
    def described(cls, folder: Path, ref: str) -> Base:
        """What a folder's config.json describes, whether its weights are there or not.

        Raises:
            UsageError: it describes nothing that can be read.
        """
        return cls(ref, folder, _structure(folder / CONFIG))

    @classmethod
    def _on_hub(cls, ref: str) -> Base:
        if not _HUB_ID.fullmatch(ref):
            raise UsageError(
                f'"{ref}" is no name of a model on the hub',
                hint="Write OWNER/NAME, or ./FOLDER for a folder.",
            )
        config = _fetched(ref, CONFIG)
        if config is None:
            raise UsageError(f"{ref} holds no {CONFIG}: it is no model of transformers")
        for name in FACTS:
            _fetched(ref, name, revision=config.parent.name)
        return cls(ref, config.parent, _structure(config))

    def with_weights(self, say: Callable[[str], None] = lambda _: None) -> Base:
        """The same with its weights in its folder.

        Raises:
            LeptonError: they cannot be fetched, or are pickled.
        """
        if not self.ref.startswith(_FOLDER) and not self._has_weights():
            say(f"fetching the weights of {self.ref}")
            revision = self.path.name
            if _fetched(self.ref, WEIGHTS, revision=revision) is None:
                index = _fetched(self.ref, INDEX, revision=revision)
                for name in _parts(index) if index else ():
                    _fetched(self.ref, name, revision=revision)
        if not self.path.is_dir():
            raise LeptonError(
                "the pretrained model's folder is gone",
                where=str(self.path),
                hint="Put it back, then resume the run.",
            )
        self._check_weights()
        return self

    def _has_weights(self) -> bool:
        if (self.path / WEIGHTS).exists():
            return True
        index = self.path / INDEX
        return index.exists() and all((self.path / name).exists() for name in _parts(index))

    def weight_files(self) -> list[Path]:
        """The files of its weights: one, or the parts that an index names."""
        if (self.path / WEIGHTS).exists():
            return [self.path / WEIGHTS]
        return [self.path / name for name in _parts(self.path / INDEX)]

    def _check_weights(self) -> None:
        if self._has_weights():
            return
        pickled = any((self.path / name).exists() for name in PICKLED)
        raise UsageError(
            "the weights are pickled, and such a file can run code when it is read"
            if pickled
            else f"there are no weights: {WEIGHTS} is missing",
            where=self.ref,
            hint="Have the model's owner, or transformers' save_pretrained on a machine that may"
            " run it, write model.safetensors.",
        )

    @property
    def short(self) -> str:
        """A name to call what is trained from it."""
        return re.sub(r"[^a-z0-9._-]+", "-", Path(placed(self.ref)).name.lower()).strip("-._")

    def architecture(self, options: Mapping[str, Any]) -> Architecture:
        """`PRETRAINED`, with the learning rate that suits what is trained of it."""
        rate = RATES.get(str(options.get("tune", "full")), RATES["full"])
        return replace(PRETRAINED, suggested={**PRETRAINED.suggested, "lr": rate})

    def reading(self, reads: str) -> Reading:
        """How it reads images, texts, sounds or series (`Task.reads`).

        Raises:
            UsageError: it does not say how, or not in a way that is known here.
        """
        return reading_of(self.ref, self.path, self.structure, reads)

    def to_json(self) -> dict[str, Any]:
        return {"ref": self.ref, "path": str(self.path), "structure": dict(self.structure)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(kept["ref"], Path(kept["path"]), kept["structure"])


def _structure(path: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        UsageError: it is not there, no JSON, or of no model.
    """
    if not path.exists():
        raise UsageError(
            f"this is no model of transformers: {CONFIG} is missing",
            where=str(path.parent),
            hint=f"A model's folder holds {CONFIG}, {WEIGHTS}, and {TOKENIZER} where it reads"
            " texts.",
        )
    found = json_of(path)
    if not isinstance(found.get("model_type"), str):
        raise UsageError("it does not say what model it is: no model_type", where=str(path))
    return found


def _parts(index: Path) -> list[str]:
    """The names of the files that hold weights.

    Raises:
        UsageError: the index names none, or a file outside its folder.
    """
    placed_in = json_of(index).get("weight_map")
    names = (
        sorted({str(name) for name in placed_in.values()}) if isinstance(placed_in, dict) else []
    )
    if not names:
        raise UsageError("the index names no weights", where=str(index))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UsageError(
                f'the index names "{name}", which is no safetensors beside it', where=str(index)
            )
    return names


def _fetched(ref: str, name: str, *, revision: str | None = None) -> Path | None:
    """A file of a model on the hub, from the cache or fetched into it; None: it has none such.

    Raises:
        UsageError: there is no such model.
        LeptonError: the hub cannot be reached, or the package for it is missing.
    """
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise LeptonError(
            f"{ref} is read through the package huggingface_hub",
            hint="Install it: pip install 'lepton-tui[hub]'",
        ) from error
    known = hub.try_to_load_from_cache(ref, name, revision=revision)
    if isinstance(known, str):
        return Path(known)
    if known is not None:
        return None
    disable_progress_bars()
    bound_hub()
    try:
        return Path(hub.hf_hub_download(ref, name, revision=revision))
    except errors.GatedRepoError as error:
        raise LeptonError(
            f"{ref} is given only to those who asked its owner",
            hint="Ask on its page, and set HF_TOKEN to your token.",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"there is no model {ref} on the hub, or it is a private one",
            hint="Check the name; for a private one set HF_TOKEN. A folder is written ./FOLDER.",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        if revision is not None and name in FACTS:
            return None
        raise LeptonError(
            f"{name} of {ref} is not in the cache, and the hub cannot be reached",
            hint=f"Put a folder with {CONFIG}, {WEIGHTS} and {TOKENIZER} on this machine and name"
            " that instead: ./FOLDER.",
        ) from error
    except errors.EntryNotFoundError:
        return None
    except (OSError, ValueError) as error:
        what = f"{ref} cannot be fetched: {first_line(error)}"
        raise LeptonError(what, where=os.fspath(name)) from error
