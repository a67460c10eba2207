"""Architectures of transformers: their sizes, what they say, and that they learn."""

import json
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from core.errors import LeptonError
from core.models import architecture
from core.models.architectures import ARCHITECTURES, TYPICAL, build

TOKENS = {"kind": "next-token", "vocabulary": 50, "length": 12, "outputs": 50}
DECODERS = ("gpt2", "llama")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_size_that_is_told_is_the_size(name):
    module = build(name, TYPICAL[ARCHITECTURES[name].kinds[0]])
    assert sum(each.numel() for each in module.parameters()) == ARCHITECTURES[name].parameters


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_says_what_transformers_own_says(name):
    from transformers import GPT2LMHeadModel, LlamaForCausalLM

    ours = build(name, TOKENS).eval()
    config = ours.model.config
    config.tie_word_embeddings = True
    theirs = {"gpt2": GPT2LMHeadModel, "llama": LlamaForCausalLM}[name](config).eval()
    theirs.base_model.load_state_dict(ours.model.state_dict())
    tokens = torch.randint(0, 50, (3, 12), dtype=torch.int32)
    with torch.inference_mode():
        said = ours(tokens)
        assert torch.allclose(said, theirs(tokens).logits, atol=1e-6)
        # What comes later changes nothing that was said before.
        assert torch.allclose(said[:, :6], ours(tokens[:, :6]), atol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_learns_texts_by_heart(name):
    torch.manual_seed(0)
    tokens = torch.randint(0, 50, (8, 13))
    module = build(name, TOKENS, {"layers": 2, "dropout": 0})
    optimizer = torch.optim.AdamW(module.parameters(), lr=ARCHITECTURES[name].suggested["lr"])
    losses = []
    while len(losses) < 300 and (not losses or losses[-1] > 0.4):
        loss = F.cross_entropy(module(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 3
    assert losses[-1] <= 0.4


def test_a_missing_package_is_told_with_the_way_to_it(monkeypatch):
    monkeypatch.setattr(architecture, "find_spec", lambda name: None)
    with pytest.raises(LeptonError, match="bert needs the package transformers") as caught:
        build("bert", TYPICAL["tokens"])
    assert "lepton-tui[hub]" in caught.value.hint
    build("lstm", TYPICAL["tokens"])


@pytest.mark.parametrize("options", [{"heads": 3}, {"width": 12, "heads": 4}])
def test_heads_that_cannot_share_the_width_are_refused(options):
    with pytest.raises(LeptonError, match="cannot be divided among"):
        build("llama", TOKENS, options)


def test_the_table_loads_no_library():
    code = (
        "import sys, core.models.architectures as a; a.resolve('bert', a.TYPICAL['tokens']);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_architectures_are_listed_by_task(tmp_path):
    command = [sys.executable, "-m", "lepton_tui", "models", "ls", "--architectures"]
    asked = [*command, "--task", "text-classification", "--json"]
    said = subprocess.run(asked, check=True, capture_output=True, text=True)
    listed = {each["name"]: each for each in json.loads(said.stdout)}
    assert list(listed) == ["lstm", "transformer", "bert", "modernbert"]
    assert listed["bert"]["source"] == "transformers"
    assert listed["lstm"]["source"] == "own"
    assert listed["bert"]["tasks"] == ["text-classification", "text-regression"]
    assert listed["bert"]["parameters"] == ARCHITECTURES["bert"].parameters
    wrong = subprocess.run(
        [*command, "--task", "text-clasification"], capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert "text-classification" in wrong.stderr
