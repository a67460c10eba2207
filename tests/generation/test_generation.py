"""Going on with texts: the same as without a cache, and as transformers does it."""

import copy
import json

import pytest
import torch

from core.errors import UsageError
from core.generation.decoder import lay_by_columns
from core.generation.generation import AT_ONCE, advance, told
from core.generation.sampling import Sampling
from core.inference.examples import as_tensors, run
from core.models.architectures import build
from core.models.foreign.described import task_of_base
from core.models.hub.base import Base
from core.models.hub.pretrained import read
from tests.models import bases

from .conftest import LENGTH, TEXT, made_module, made_task, pairs

GREEDY = Sampling(max_tokens=24, temperature=0)


def uncached(task, module, prompt, count):
    """The likeliest pieces, by passes over all of the text."""
    known = list(prompt)
    with torch.inference_mode():
        while len(known) < len(prompt) + count:
            piece = int(module(torch.tensor([known]))[0, -1].argmax())
            if piece in task.pairs.ends:
                break
            known.append(piece)
    return known[len(prompt) :]


def test_the_likeliest_pieces_are_those_of_a_model_without_a_cache(model, prompts):
    task, module = model
    for prompt in prompts:
        generation = task.going_on(prompt, GREEDY)
        text = "".join(told(module, generation))
        assert generation.pieces == uncached(task, module, prompt, 24)
        assert text == task.pairs.decode(generation.pieces)
        assert generation.ending.new_tokens == len(generation.pieces)
        assert generation.ending.prompt_tokens == len(prompt)


def test_a_cache_changes_no_logit(model):
    _, module = model
    torch.manual_seed(3)
    tokens = torch.randint(1, 600, (2, 40))
    first, second = module.new_cache(), module.new_cache()

    def same(found, text, end):
        return torch.allclose(found, module(tokens[text : text + 1, :end])[:, -1], atol=1e-4)

    with torch.inference_mode():
        # All at once, in parts, and one by one beside a text of another length.
        assert same(module.next_logits(tokens[:1, :9], [first]), 0, 9)
        assert same(module.next_logits(tokens[:1, 9:30], [first]), 0, 30)
        assert same(module.next_logits(tokens[1:, :5], [second]), 1, 5)
        for at in range(4):
            new = torch.stack([tokens[0, 30 + at], tokens[1, 5 + at]])[:, None]
            found = module.next_logits(new, [first, second])
            assert same(found[:1], 0, 31 + at)
            assert same(found[1:], 1, 6 + at)


def test_weights_by_columns_say_the_same(model):
    _, module = model
    laid = copy.deepcopy(module)
    lay_by_columns(laid)
    assert not laid.output_weight().is_contiguous()
    assert laid.output_weight().t().is_contiguous()
    tokens = torch.randint(1, 600, (1, 9))
    with torch.inference_mode():
        told, said = (each.next_logits(tokens, [each.new_cache()]) for each in (module, laid))
        assert torch.allclose(told, said, atol=1e-4)
    assert all(
        torch.equal(mine, its)
        for mine, its in zip(module.parameters(), laid.parameters(), strict=True)
    )


def test_texts_that_go_on_together_are_those_that_go_on_alone(model, prompts):
    task, module = model
    alone = []
    for prompt in prompts:
        generation = task.going_on(prompt, GREEDY)
        list(told(module, generation))
        alone.append(generation.pieces)
    together = [task.going_on(prompt, GREEDY) for prompt in prompts]
    for each in together:
        advance(module, [each])
    # One goes ahead, so that none is as long as another.
    advance(module, together[:1])
    while running := [each for each in together if not each.over]:
        advance(module, running)
    assert [each.pieces for each in together] == alone


def test_a_long_prompt_is_read_in_parts_to_the_same_end():
    task = made_task(2 * AT_ONCE)
    prompt = pairs().prompt(TEXT)[: AT_ONCE + 100]
    for architecture in ("gpt", "gpt2"):
        module = made_module(architecture, task)
        generation = task.going_on(prompt, Sampling(max_tokens=8, temperature=0))
        list(told(module, generation))
        assert generation.pieces == uncached(task, module, prompt, 8)


def test_a_model_of_transformers_says_what_its_own_generate_says(tmp_path):
    from transformers import AutoModelForCausalLM

    folder = bases.gpt2(tmp_path / "gpt2", TEXT[:20_000].splitlines())
    base = Base.find(str(folder))
    task = task_of_base(base)
    module, fresh = read(base, task.shape)
    assert not fresh
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    prompt = task.pairs.prompt("Emma Woodhouse, handsome")
    generation = task.going_on(prompt, Sampling(max_tokens=500, temperature=0))
    list(told(module.eval(), generation))
    found = theirs.generate(torch.tensor([prompt]), do_sample=False, max_length=32, pad_token_id=0)
    said = [piece for piece in found[0, len(prompt) :].tolist() if piece not in task.pairs.ends]
    assert generation.pieces == said
    assert len(prompt) + len(said) == 32 == task.context
    assert generation.ending.reason == "length"


def test_a_prompt_without_room_for_an_answer_is_refused(model):
    task, _ = model
    with pytest.raises(UsageError, match="the prompt has 128 tokens, and 127 fit"):
        task.going_on([1] * 128, GREEDY)
    task.going_on([1] * 127, GREEDY)
    with pytest.raises(UsageError, match=r"the prompt has \d+ tokens, and 127 fit"):
        task.encode([{"text": TEXT[:2000]}], target=False)


def test_a_seed_gives_the_same_answer_and_another_one_another(model, prompts):
    task, module = model

    def said(seed):
        sampling = Sampling(max_tokens=20, temperature=2.0, top_k=0, seed=seed)
        generation = task.going_on(prompts[1], sampling)
        list(told(module, generation))
        return generation.pieces

    assert said(3) == said(3) != said(4)
    assert said(-1) != said(-1)


def test_a_json_answer_is_json_whatever_the_model_would_say(model, prompts):
    task, module = model
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["Käse", "Emma"]}, "age": {"enum": [1, 21, 333]}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    for seed in range(3):
        sampling = Sampling.of({"schema": schema, "temperature": 1.5, "seed": seed})
        generation = task.going_on(prompts[0], sampling)
        said = json.loads("".join(told(module, generation)))
        assert said["name"] in ("Käse", "Emma")
        assert said["age"] in (1, 21, 333)
        assert generation.ending.reason == "stop"
    generation = task.going_on(prompts[0], Sampling.of({"json": True, "max_tokens": 1}))
    assert "".join(told(module, generation)).startswith("{")


def test_a_schema_that_cannot_be_is_refused(model):
    task, _ = model
    with pytest.raises(UsageError, match="schema cannot be held: Invalid type: nonsense"):
        task.going_on([1], Sampling.of({"schema": {"type": "nonsense"}}))
    with pytest.raises(UsageError, match="no JSON"):
        Sampling.of({"schema": "{"})


def test_rows_are_gone_on_with_by_the_same_code(model, prompts):
    task, module = model
    rows = task.encode([{"text": "Emma"}, {"text": "She had been"}], target=False)
    batch = run(as_tensors(rows), 0, 2)
    (_, second) = task.answers(task.solve(module, batch).numpy())
    sampling = Sampling(max_tokens=64, seed=0)
    generation = task.going_on(pairs().prompt("She had been"), sampling)
    assert second["text"] == "".join(told(module, generation))


def test_a_model_whose_output_is_no_number_says_so():
    task = made_task()
    module = made_module("gpt", task)
    with torch.no_grad():
        module.norm.weight.fill_(float("nan"))
    generation = task.going_on([1, 2], GREEDY)
    other = task.going_on([1, 2], GREEDY)
    advance(module, [generation])
    assert "not a number" in str(generation.error)
    assert generation.ending is None
    assert other.error is None


@pytest.mark.parametrize("architecture", ["gpt", "gpt2", "llama", "transformer", "lstm", "bert"])
def test_a_texts_vector_does_not_depend_on_its_company(architecture):
    shape = made_task().shape
    if architecture in ("transformer", "lstm", "bert"):
        shape = {"kind": "tokens", "vocabulary": 600, "length": LENGTH, "outputs": 3}
    torch.manual_seed(0)
    module = build(architecture, shape, {}).eval()
    tokens = torch.randint(1, 600, (2, 20))
    tokens[0, 7:] = 0
    lengths = torch.tensor([7, 20])
    with torch.inference_mode():
        together = module.embedded(tokens, lengths)
        alone = module.embedded(tokens[:1, :7], lengths[:1])
    assert torch.allclose(together[:1], alone, atol=1e-5)
    assert together.shape[0] == 2
    assert not torch.allclose(together[0], together[1], atol=1e-2)
