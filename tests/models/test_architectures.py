"""Every architecture: its table, its shape, and whether it learns."""

import pytest
import torch
from torch.nn import functional as F

from core.errors import UsageError
from core.models.architectures import ARCHITECTURES, build, resolve, suitable
from core.tasks import TASKS, task

IMAGE = {"kind": "image", "channels": 3, "height": 8, "width": 12, "outputs": 4}
TOKENS = {"kind": "tokens", "vocabulary": 50, "length": 12, "outputs": 4}
TABLE = {"kind": "table", "numbers": 5, "categories": [3, 9], "outputs": 4}
SHAPES = {"image": IMAGE, "tokens": TOKENS, "table": TABLE}
OF_ROWS = [each.name for each in ARCHITECTURES.values() if each.kinds[0] in SHAPES]
"""Those that give a row of outputs for a row; what says more has tests beside its task."""
ROWS = 32


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def random_inputs(shape, rows=ROWS):
    if shape["kind"] == "image":
        return (torch.randn(rows, shape["channels"], shape["height"], shape["width"]),)
    if shape["kind"] == "tokens":
        length = torch.randint(1, shape["length"] + 1, (rows,), dtype=torch.int32)
        tokens = torch.randint(1, shape["vocabulary"], (rows, shape["length"]), dtype=torch.int32)
        return tokens * (torch.arange(shape["length"]) < length[:, None]), length
    categories = [torch.randint(0, size, (rows, 1)) for size in shape["categories"]]
    empty = torch.empty(rows, 0, dtype=torch.int64)
    return torch.randn(rows, shape["numbers"]), torch.cat([empty, *categories], dim=1)


@pytest.mark.parametrize("name", OF_ROWS)
def test_it_learns_32_examples_by_heart(name):
    shape = SHAPES[ARCHITECTURES[name].kinds[0]]
    inputs, target = random_inputs(shape), torch.randint(0, shape["outputs"], (ROWS,))
    model = build(name, shape)
    lr = ARCHITECTURES[name].suggested["lr"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    while len(losses) < 25 or (losses[-1] > 0.1 and len(losses) < 300):
        outputs = model(*inputs)
        assert outputs.shape == (ROWS, shape["outputs"])
        loss = F.cross_entropy(outputs, target)
        optimizer.zero_grad()
        loss.backward()
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        assert all(weight.grad is not None for weight in trained)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.inference_mode():
        assert (model(*inputs).argmax(1) == target).all()
    # An untrained network is about as unsure as a die.
    assert losses[0] < 4


@pytest.mark.parametrize("name", OF_ROWS)
def test_the_same_seed_makes_the_same_weights(name):
    shape = SHAPES[ARCHITECTURES[name].kinds[0]]
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(torch.cat([weight.flatten() for weight in build(name, shape).parameters()]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_row_is_answered_alike_alone_and_among_others(name):
    shape = SHAPES[ARCHITECTURES[name].kinds[0]]
    inputs = random_inputs(shape)
    model = build(name, shape).eval()
    with torch.inference_mode():
        together = model(*inputs)
        alone = torch.cat([model(*(each[at : at + 1] for each in inputs)) for at in range(ROWS)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("outputs", "stem", "parameters"), [(10, "small", 11_173_962), (1000, "standard", 11_689_512)]
)
def test_resnet18_is_the_known_one(outputs, stem, parameters):
    shape = {**IMAGE, "outputs": outputs}
    model = build("resnet18", shape, {"stem": stem})
    assert sum(weight.numel() for weight in model.parameters()) == parameters


def test_the_stem_of_resnet18_follows_the_image_size():
    def kernel(side):
        return build("resnet18", {**IMAGE, "height": 16, "width": side}).stem[0].kernel_size

    assert kernel(64) == (3, 3)
    assert kernel(65) == (7, 7)


@pytest.mark.parametrize("name", suitable("image"))
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (28, 28), (65, 70), (96, 224)])
@pytest.mark.parametrize("channels", [1, 3])
def test_image_models_read_any_size_from_8_on(name, size, channels):
    shape = {**IMAGE, "height": size[0], "width": size[1], "channels": channels}
    model = build(name, shape).eval()
    with torch.inference_mode():
        outputs = model(*random_inputs(shape, 2))
    assert outputs.shape == (2, 4)
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("name", suitable("image"))
def test_image_models_are_stored_channels_last(name):
    weights = [weight for weight in build(name, IMAGE).parameters() if weight.dim() == 4]
    assert weights
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in weights)


@pytest.mark.parametrize("name", suitable("tokens"))
def test_padding_does_not_change_the_answer(name):
    model = build(name, {**TOKENS, "length": 40}).eval()
    length = torch.tensor([5, 1, 3])
    tokens = torch.randint(1, 50, (3, 5)) * (torch.arange(5) < length[:, None])
    # Whatever stands there: what lies behind the length is not read.
    junk = torch.randint(1, 50, (3, 30))
    behind = torch.cat([torch.where(tokens > 0, tokens, 7), junk], dim=1)
    with torch.inference_mode():
        short = model(tokens, length)
        assert torch.allclose(short, model(F.pad(tokens, (0, 35)), length), atol=1e-5)
        assert torch.allclose(short, model(behind, length), atol=1e-5)
        other = model(torch.where(tokens == tokens[0, 4], 1, tokens), length)
    assert not torch.allclose(short, other)


@pytest.mark.parametrize("shape", [{**TABLE, "categories": []}, {**TABLE, "numbers": 0}])
def test_a_table_of_one_kind_alone_is_enough(shape):
    assert build("mlp", shape)(*random_inputs(shape)).shape == (ROWS, 4)


def test_an_unknown_category_says_nothing_to_an_untrained_mlp():
    model = build("mlp", {**TABLE, "numbers": 0, "categories": [9]}, {"dropout": 0}).eval()
    numbers = torch.empty(3, 0)
    unknown, missing, known = model(numbers, torch.tensor([[0], [1], [2]]))
    assert torch.equal(unknown, missing)
    assert not torch.equal(unknown, known)


def test_every_task_names_models_that_read_its_rows():
    for name in TASKS:
        named = task(name).architectures
        # Several kinds where a model learns otherwise of the same rows.
        kinds = dict.fromkeys(kind for each in named for kind in ARCHITECTURES[each].kinds)
        assert list(named) == [each for kind in kinds for each in suitable(kind)]


def test_options_are_read_in_their_own_type():
    options = resolve("mlp", TABLE, {"width": "64", "dropout": 0})
    assert options == {"width": 64, "layers": 2, "dropout": 0.0}
    assert isinstance(options["dropout"], float)
    assert build("mlp", TABLE, {"layers": 3, "width": 7}).hidden[0].out_features == 7


@pytest.mark.parametrize(
    ("name", "shape", "options", "words", "hint"),
    [
        ("resnet1", IMAGE, {}, 'no architecture "resnet1"', "resnet18"),
        ("cnn", IMAGE, {"widht": 3}, 'cnn has no option "widht"', "width"),
        ("cnn", TOKENS, {}, "cnn reads image", "lstm, transformer"),
        ("mlp", TABLE, {"width": "wide"}, "width=wide cannot be: it is a whole number", ""),
        ("mlp", TABLE, {"width": 1.5}, "width=1.5 cannot be", ""),
        ("mlp", TABLE, {"width": True}, "width=True cannot be", ""),
        ("mlp", TABLE, {"layers": 0}, "layers=0 cannot be: it is a whole number from 1 to 32", ""),
        ("mlp", TABLE, {"dropout": "nan"}, "dropout=nan cannot be", ""),
        ("resnet18", IMAGE, {"stem": "tiny"}, "one of auto, small, standard", ""),
        ("transformer", TOKENS, {"width": 10, "heads": 4}, "width=10 cannot be divided", ""),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_way_out(name, shape, options, words, hint):
    with pytest.raises(UsageError) as caught:
        build(name, shape, options)
    assert words in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (9, 31), (120, 96)])
@pytest.mark.parametrize("stem", ["full", "strided"])
def test_the_cnn_takes_pictures_of_any_size(height, width, stem):
    shape = {"kind": "image", "channels": 3, "height": height, "width": width, "outputs": 5}
    model = build("cnn", shape, {"stem": stem, "width": 4}).eval()
    with torch.inference_mode():
        assert model(*random_inputs(shape, 2)).shape == (2, 5)
