"""The engine's tokens a second against transformers' own `generate`, on the same weights.

A GPT-2 and a Llama of about 30 million random parameters, the likeliest piece each time, as many
threads on both sides. And eight answers at once against eight one after the other.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from core.generation.sampling import Sampling
from core.inference.engine import Engine
from core.models.foreign.arriving import Wish, bring_in
from core.models.registry import Models
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds
from tests.tasks.conftest import SAMPLES

PROMPT_TOKENS, NEW_TOKENS = 96, 96
TOGETHER = 8
THREADS = 1
VOCABULARY = 8000


def measure() -> list[Result]:
    found: list[Result] = []
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.open(Path(home) / "home")
        for name in ("gpt2", "llama"):
            folder = _written(Path(home) / name, name)
            bring_in(Models(workspace), str(folder), Wish(name=name))
            found += _one(workspace, name, folder)
    return found


def _one(workspace: Workspace, name: str, folder: Path) -> list[Result]:
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    engine = Engine(workspace, "cpu", threads=THREADS)
    prompt = " ".join(["and"] * PROMPT_TOKENS)
    with engine.use(name) as model:
        tokens = torch.tensor([model.task.pairs.prompt(prompt)])  # type: ignore[attr-defined]
    sampling = Sampling(max_tokens=NEW_TOKENS, temperature=0)
    parts = list(engine.generate(name, prompt, sampling))
    assert parts[-1].ending is not None
    assert parts[-1].ending.new_tokens == NEW_TOKENS

    def beside() -> None:
        with torch.inference_mode():
            made = theirs.generate(
                tokens, do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0
            )
        assert made.shape[1] == tokens.shape[1] + NEW_TOKENS

    def ours(count: int) -> None:
        for answer in [engine.generate(name, prompt, sampling) for _ in range(count)]:
            list(answer)

    def in_a_row() -> None:
        for _ in range(TOGETHER):
            ours(1)

    one, their = in_turns(5, partial(seconds, partial(ours, 1)), partial(seconds, beside))
    together, row = in_turns(
        1, partial(seconds, partial(ours, TOGETHER)), partial(seconds, in_a_row)
    )
    rate, their_rate = NEW_TOKENS / one, NEW_TOKENS / their
    return [
        Result(f"{name}: a token / of transformers", 1000 / rate, 1000 / their_rate, "ms", 1.0),
        Result(f"{name}: {TOGETHER} answers at once / in a row", together, row, "s", 0.6),
    ]


def _written(folder: Path, name: str) -> Path:
    """A model as transformers writes it, with a tokenizer of words."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = (SAMPLES / "text" / "austen_emma_400k.txt").read_text().splitlines()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=VOCABULARY))
    transformers.PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    if name == "gpt2":
        config: Any = transformers.GPT2Config(
            n_embd=512, n_layer=8, n_head=8, n_positions=1024, **sizes
        )
        transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    else:
        config = transformers.LlamaConfig(
            hidden_size=512,
            intermediate_size=1408,
            num_hidden_layers=8,
            num_attention_heads=8,
            max_position_embeddings=1024,
            **sizes,
        )
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder
