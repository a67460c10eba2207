"""Objects: boxes in cells, on the canvas and back, COCO's judgement, and nuclei that are found."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from core.augmentation import written
from core.augmentation.augmenter import Augmenter
from core.data.lake.lake import Lake
from core.data.objects import things_of
from core.data.splitting.split import split
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.inference.forward import naive, solved
from core.ingest import ingest
from core.models.architectures import build
from core.tasks import facts, guess
from core.tasks.average_precision import MOST_FOUND, average_precision
from core.tasks.boxes import assigned, overlap, thinned
from core.tasks.detecting import best, losses
from core.tasks.object_detection import SURE, ObjectDetection
from core.tasks.ragged import Ragged
from core.training.start import start_training
from core.workspace import Workspace

from .conftest import SAMPLES, encoded
from .test_images import file

DEADLINE = 300


def cell(*things):
    """A cell from (label, x, y, width, height, …); what comes after is a crowd."""
    made = [{"label": label, "bbox": box[:4]} for label, *box in things]
    for each, (_, *box) in zip(made, things, strict=True):
        if box[4:]:
            each["iscrowd"] = 1
    return json.dumps(made)


def picture(width, height, *boxes):
    """A grey picture with brighter boxes, (x, y, width, height)."""
    pixels = np.full((height, width), 50, np.uint8)
    for x, y, across, down in boxes:
        pixels[y : y + down, x : x + across] = 200
    return file(pixels)


@pytest.fixture
def shown(opened):
    """Pictures of two sizes: two objects, none, one that hangs over the edge, and no list."""
    return opened(
        {
            "image": [picture(80, 40), picture(40, 80), picture(80, 40), picture(80, 40)],
            "objects": [
                cell(("cat", 20, 10, 40, 20), ("dog", 0, 0, 8, 8)),
                "[]",
                cell(("cat", 60, 20, 99, 99), ("cat", 90, 0, 5, 5), ("cat", 3, 3, 0, 5)),
                None,
            ],
        },
        media={"image": "image"},
    )


def learn(view, **options):
    fit = guess(facts(view))
    assert fit.task == "object-detection"
    return ObjectDetection.learn(fit, view, "train", options)


def batch_of(arrays):
    tensors = as_tensors({name: each for name, each in arrays.items() if name != "row"})
    return run(tensors, 0, len(arrays["image"]))


def truth(*rows):
    return np.array(rows, np.float32).reshape(-1, 6)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("no json", "no JSON"),
        ("5", "no list"),
        ('[{"label": "cat"}]', 'no "bbox"'),
        ("[3]", 'no "label"'),
        ('[{"label": "cat", "bbox": [1, 2, 3]}]', "is not"),
        ('[{"label": "cat", "bbox": [1, 2, 3, NaN]}]', "no number"),
    ],
)
def test_what_is_no_list_of_objects_is_named(opened, given, what):
    with pytest.raises(ValueError, match=what):
        things_of(given)
    view = opened(
        {"image": [picture(9, 9)] * 2, "objects": [cell(("a", 1, 1, 4, 4)), given]},
        media={"image": "image"},
    )
    fit = ObjectDetection.fit(
        facts(opened({"image": [picture(9, 9)], "objects": [cell()]}, media={"image": "image"})),
        "objects",
    )
    with pytest.raises(LeptonError, match="the objects cannot be read") as caught:
        ObjectDetection.check_target(fit, view)
    assert caught.value.where == "column objects, row 1"


def test_a_column_of_boxes_says_the_task(shown, opened):
    fit = guess(facts(shown))
    assert (fit.task, fit.inputs, fit.target) == ("object-detection", ("image",), "objects")
    empty = opened({"image": [picture(9, 9)] * 3, "objects": ["[]"] * 3}, media={"image": "image"})
    assert ObjectDetection.fit(facts(empty)) is None
    with pytest.raises(LeptonError, match='the column "objects" has no box'):
        ObjectDetection.check_target(ObjectDetection.fit(facts(empty), "objects"), empty)


def test_pictures_keep_their_ratio_and_boxes_lie_on_them(shown):
    task = learn(shown)
    assert task.labels == ("cat", "dog")
    assert task.size == (64, 96)
    assert any(note.startswith("2 boxes have no size") for note in task.notes)
    arrays = encoded(task, shown)
    assert arrays["row"].tolist() == [0, 1, 2]
    frames = [[1.2, 1.2, 80, 40], [0.8, 0.8, 40, 80], [1.2, 1.2, 80, 40]]
    assert np.allclose(arrays["frame"], frames)
    fill = round(255 * task.shape["channels"] * task._standard.mean[0])
    tall = arrays["image"][1, 0]
    assert (tall[:, :32] == 50).all()
    assert (tall[:, 32:] == fill).all()
    target = arrays["target"]
    assert target.lengths.tolist() == [2, 0, 1]
    assert target.parts()[0].tolist() == [[0, 20, 10, 60, 30, 0], [1, 0, 0, 8, 8, 0]]
    assert target.parts()[2].tolist() == [[0, 60, 20, 80, 40, 0]]
    assert np.allclose(arrays["boxes"].parts()[0][0], [24, 12, 72, 36])


def test_the_codec_stands_alone(shown):
    task = learn(shown, image_size=64)
    back = ObjectDetection.from_json(json.loads(json.dumps(task.to_json())))
    assert back.to_json() == task.to_json()
    assert back.shape == {
        "kind": "objects", "channels": 1, "height": 64, "width": 64, "outputs": 2
    }  # fmt: skip
    for side in (32, 80, 4096):
        with pytest.raises(UsageError, match=f"image_size={side} cannot be"):
            learn(shown, image_size=side)


def test_the_baseline_is_the_mean_box_of_the_commonest_class(shown):
    task = learn(shown)
    arrays = encoded(task, shown)
    target = arrays["target"]
    found = naive(task, as_tensors({k: v for k, v in arrays.items() if k != "row"}), batch_size=2)
    assert np.isfinite(found.loss)
    # Cats lie at shares (0.25, 0.25, 0.75, 0.75) and (0.75, 0.5, 1, 1).
    (box,) = task.answers(found.found)[0]["boxes"]
    assert box["label"] == "cat"
    assert box["box"] == pytest.approx([0.5 * 80, 0.375 * 40, 0.875 * 80, 0.875 * 40], rel=1e-5)
    assert set(task.scores(found.found, target)) == {"map", "map_50", "map_75", "mar_300"}


def test_every_object_has_a_place_and_the_smallest_wins():
    torch.manual_seed(0)
    shape = {"channels": 1, "outputs": 1}
    *_, places = build("detector", {"kind": "objects", **shape}, {"width": 8})(
        torch.zeros(1, 1, 96, 96)
    )
    corner = torch.rand(1, 400, 2) * 90
    boxes = torch.cat([corner, (corner + 0.5 + torch.rand(1, 400, 2) ** 3 * 90).clamp(max=96)], 2)
    for at in range(400):
        one = boxes[:, at : at + 1]
        assert assigned(places, one, torch.ones(1, 1, dtype=torch.bool))[1].any(), one
    both = torch.tensor([[[0.0, 0, 60, 60], [20, 20, 40, 40]]])
    which, positive = assigned(places, both, torch.ones(1, 2, dtype=torch.bool))
    middle = ((places[:, :2] - 30).abs() < 2.1).all(1) & (places[:, 2] == 4)
    assert positive[0, middle].all()
    assert (which[0, middle] == 1).all()
    assert not assigned(places, both, torch.zeros(1, 2, dtype=torch.bool))[1].any()
    far = torch.tensor([[44.0, 50, 4, 0, torch.inf], [45, 50, 4, 0, torch.inf]])
    large = torch.tensor([[[0.0, 0, 100, 100]]])
    near = assigned(far, large, torch.ones(1, 1, dtype=torch.bool))[1]
    assert near.tolist() == [[False, True]], "only near the centre"


def test_boxes_are_thinned_as_one_by_one():
    torch.manual_seed(1)
    corner = torch.rand(3, 60, 2) * 30
    boxes = torch.cat([corner, corner + 5 + torch.rand(3, 60, 2) * 20], 2)
    classes = torch.randint(0, 2, (3, 60))
    found = thinned(boxes, classes, 0.4)
    for picture_boxes, kinds, kept in zip(boxes, classes, found, strict=True):
        stay = []
        for at in range(60):
            rivals = [other for other in stay if kinds[other] == kinds[at]]
            if all(overlap(picture_boxes[at], picture_boxes[other])[0] <= 0.4 for other in rivals):
                stay.append(at)
        assert kept.nonzero()[:, 0].tolist() == stay


def test_the_best_boxes_come_back_in_the_pictures_own_pixels():
    logits = torch.tensor([[[3.0, -9], [-9, 2], [1, -9], [-9, -9]], [[-9.0, -9]] * 4])
    boxes = torch.tensor([[[2.0, 2, 42, 22], [10, -5, 200, 30], [3, 2, 42, 22], [0, 0, 9, 9]]] * 2)
    frame = torch.tensor([[2.0, 1, 40, 20]] * 2)
    found = best(logits, boxes, frame, least=0.05, same=0.6, most=8)
    assert found.shape == (2, 2, 6)
    assert found[0, :, 0].tolist() == [0, 1]
    assert found[0, :, 1].tolist() == pytest.approx([0.9526, 0.8808], abs=1e-4)
    assert found[0, :, 2:].tolist() == [[1, 2, 21, 20], [5, 0, 40, 20]]
    assert (found[1] == -1).all()
    broken = best(logits * torch.nan, boxes, frame, least=0.05, same=0.6, most=8)
    assert broken.isnan().any(), "what is no number must be seen, not be nothing found"


def test_boxes_are_judged_by_cocos_rules(capfd):
    objects = [truth([0, 0, 0, 10, 10, 0], [1, 20, 20, 40, 40, 0]), truth()]
    right = [
        np.array([[0, 0.9, 0, 0, 10, 10], [1, 0.8, 20, 20, 40, 40.0]]),
        np.zeros((0, 6)),
    ]
    told = average_precision(right, objects, 2, 0.5)
    assert told.scores == pytest.approx({"map": 1, "map_50": 1, "map_75": 1, "mar_300": 1})
    assert told.counts.sum((1, 2)).tolist() == [2, 0, 0]
    # A box of two thirds is found up to an overlap of 0.65: at 4 of the 10.
    loose = [np.array([[0, 0.9, 0, 0, 10, 15], [1, 0.8, 20, 20, 40, 40.0]]), right[1]]
    told = average_precision(loose, objects, 2, 0.5)
    assert told.per_class[:2].tolist() == pytest.approx([0.4, 1])
    assert told.scores["map"] == pytest.approx(0.7)
    assert told.scores["map_75"] == pytest.approx(0.5)
    # One that is not there, surer than the right one, and in the other picture.
    false = [right[0], np.array([[0, 0.95, 0, 0, 5, 5.0]])]
    told = average_precision(false, objects, 2, 0.5)
    assert told.per_class[0] == pytest.approx(0.5)
    assert told.counts[:, :, 0].tolist() == [[1, 0], [0, 0], [0, 1]]
    assert capfd.readouterr().out == "", "pycocotools is quiet"


def test_crowds_count_neither_way_and_strange_classes_are_missed():
    crowd = [truth([0, 0, 0, 50, 50, 1], [0, 60, 60, 70, 70, 0])]
    found = [np.array([[0, 0.9, 5, 5, 20, 20], [0, 0.8, 60, 60, 70, 70.0]])]
    told = average_precision(found, crowd, 1, 0.5)
    assert told.scores["map"] == pytest.approx(1)
    assert told.counts.sum((1, 2)).tolist() == [1, 0, 0]
    strange = [truth([-1, 0, 0, 9, 9, 0], [0, 60, 60, 70, 70, 0])]
    told = average_precision(found, strange, 1, 0.5)
    assert told.per_class.tolist() == [pytest.approx(0.5), 0]
    assert told.counts.sum(1).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_nothing_to_find_and_hundreds_to_find():
    nothing = average_precision([np.zeros((0, 6))], [truth()], 1, 0.5)
    assert nothing.scores["map"] == 0
    side = np.arange(0, 400, 20.0)
    corners = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)[:MOST_FOUND]
    boxes = np.concatenate([corners, corners + 10], 1)
    column = np.zeros((MOST_FOUND, 1))
    told = average_precision(
        [np.concatenate([column, column + 0.9, boxes], 1)],
        [np.concatenate([column, boxes, column], 1)],
        1,
        0.5,
    )
    assert told.scores["mar_300"] == pytest.approx(1)


def test_the_report_names_classes_and_the_worst_pictures(shown):
    task = learn(shown)
    target = Ragged.of([truth([0, 0, 0, 10, 10, 0], [1, 0, 0, 5, 5, 0]), truth()])
    found = np.full((2, 2, 6), -1.0)
    found[0, 0] = [0, 0.9, 0, 0, 10, 10]
    found[1] = [[0, 0.9, 0, 0, 10, 10], [1, SURE / 2, 0, 0, 9, 9]]
    report = task.report(found, target)
    cat, dog = report["per_class"]
    assert report["per_class_of"].startswith("boxes with a score of 30% or more")
    assert (cat["precision"], cat["recall"], cat["support"]) == (0.5, 1, 1)
    assert (dog["average_precision"], dog["recall"]) == (0, 0)
    assert task.verdicts(found, target).mistakes() == [
        {
            "row": 0,
            "truth": "1 cat, 1 dog",
            "answer": "1 found, 1 missed, 0 wrong",
            "error": 1.0,
        },
        {"row": 1, "truth": "nothing", "answer": "0 found, 0 missed, 1 wrong", "error": 1.0},
    ]
    assert task.answers(found)[1]["boxes"] == [
        {"label": "cat", "score": pytest.approx(0.9), "box": [0, 0, 10, 10]}
    ]


def test_of_a_set_each_object_has_what_fits_it_best():
    torch.manual_seed(0)
    boxes = torch.tensor([[[0.0, 0, 16, 16], [40, 40, 60, 60], [0, 0, 0, 0]]])
    there = torch.tensor([[[0.0, 0, 0, 16, 16, 0], [1, 40, 40, 60, 60, 0], [0] * 6]])
    said = torch.tensor([[[40.0, 40, 60, 60], [1, 1, 17, 17], [0, 0, 30, 30], [50, 5, 60, 15]]])

    def loss(sure, truth=there, lengths=(2,), found=said):
        logits = torch.full((1, 4, 2), -9.0)
        for at, kind in sure:
            logits[0, at, kind] = 9
        outputs = (logits, found, torch.zeros(0, 5))
        return float(losses(outputs, boxes, truth, torch.tensor(lengths), (64, 64)))

    right = loss([(0, 1), (1, 0)])
    assert right < 0.6
    # One more for the same object, another class, or none at all is worse.
    for wrong in ([(0, 1), (1, 0), (2, 0)], [(0, 0), (1, 0)], [(1, 0)], []):
        assert loss(wrong) > right + 0.3
    nearer = said.clone()
    nearer[0, 1] = boxes[0, 0]
    assert loss([(0, 1), (1, 0)], found=nearer) < right - 0.1
    assert loss([], lengths=(0,)) < 1e-3 < loss([(3, 0)], lengths=(0,))
    # What lies in a crowd is no object, and nothing that is found there is wrong.
    crowd = there.clone()
    crowd[0, 1, 5] = 1
    assert loss([(0, 1), (1, 0)], crowd) == pytest.approx(loss([(1, 0)], crowd), abs=1e-3)
    assert torch.isnan(
        losses(
            (torch.full((1, 4, 2), torch.nan), said, torch.zeros(0, 5)),
            boxes, there, torch.tensor([2]), (64, 64),
        )
    )  # fmt: skip


def test_the_loss_wants_the_boxes_and_no_others():
    places = torch.tensor([[8.0, 8, 4, 0, torch.inf], [40, 40, 4, 0, torch.inf]])
    boxes = torch.tensor([[[0.0, 0, 16, 16]]])
    there = torch.tensor([[[0.0, 0, 0, 16, 16, 0]]])
    one = torch.tensor([1])
    said = torch.tensor([[[0.0, 0, 16, 16], [30, 30, 50, 50]]])

    def loss(first, second, truth=there, lengths=one, found=said):
        logits = torch.tensor([[[first], [second]]])
        return float(losses((logits, found, places), boxes, truth, lengths, (48, 48)))

    assert loss(9.0, -9.0) < 1e-3 < loss(-9.0, -9.0)
    assert loss(9.0, 9.0) > 1
    assert loss(9.0, -9.0, found=said + 4) > 0.5
    # What lies in a crowd, or is of a strange class, is neither wanted nor forbidden.
    for column, value in ((5, 1.0), (0, -1.0)):
        aside = there.clone()
        aside[..., column] = value
        assert loss(9.0, -9.0, aside) == pytest.approx(loss(-9.0, -9.0, aside), abs=1e-3)
    assert loss(9.0, -9.0, lengths=torch.tensor([0])) > 1


def test_pictures_without_any_object_train_too(shown):
    task = learn(shown)
    arrays = encoded(task, shown)
    empty = run(as_tensors({k: v for k, v in arrays.items() if k != "row"}), 1, 2)
    assert empty["boxes"].shape == (1, 0, 4)
    torch.manual_seed(0)
    model = build("detector", task.shape, {"width": 8, "levels": 2})
    loss = task.loss(model(*task.inputs(empty)), empty)
    loss.backward()
    assert torch.isfinite(loss)
    batch = batch_of(arrays)
    whole = task.loss(model.eval()(*task.inputs(batch)), batch)
    parts = [
        task.loss(model(*task.inputs(part)), part)
        for part in ({name: each[at : at + 1] for name, each in batch.items()} for at in range(3))
    ]
    assert torch.allclose(whole, torch.stack(parts).mean(), rtol=1e-4)


@pytest.mark.parametrize("name", ["detr", "yolos"])
def test_every_layer_is_taught_where_the_configuration_asks_for_it(shown, name):
    task = learn(shown)
    batch = batch_of(encoded(task, shown))
    options = {"width": 16, "heads": 2, "layers": 3, "queries": 4, "dropout": 0.0}
    torch.manual_seed(0)
    model = build(name, task.shape, {**options, "auxiliary_loss": "yes"})
    inputs = task.inputs(batch)
    logits, boxes, places, *earlier = model(*inputs)
    assert len(earlier) == 4
    # transformers' YOLOS cannot be asked for such a loss.
    asked = [labels(each) for each in batch["target"]] if name == "detr" else None
    theirs = model.model(*inputs, labels=asked)
    assert torch.allclose(boxes, model._read(theirs.logits, theirs.pred_boxes, *inputs)[1])
    if name == "detr":
        own = [model._read(*each.values(), *inputs) for each in theirs.auxiliary_outputs]
        for one, other in zip(earlier, (each for pair in own for each in pair), strict=True):
            assert torch.allclose(one, other, atol=1e-4)
    told = [(logits, boxes), earlier[:2], earlier[2:]]
    each = [task.loss((*pair, places), batch) for pair in told]
    whole = task.loss((logits, boxes, places, *earlier), batch)
    assert torch.allclose(whole, torch.stack(each).sum())
    assert len({loss.item() for loss in each}) == 3
    outputs = (logits, boxes, places, *earlier)
    assert torch.equal(task.keep(outputs, batch), task.keep(outputs[:3], batch))
    plain = build(name, task.shape, options)
    assert len(plain(*inputs)) == 3


def test_the_patches_of_yolos_divide_the_canvas(shown):
    shape = learn(shown).shape
    assert (shape["height"], shape["width"]) == (64, 96)
    config = build("yolos", shape, {"width": 16, "heads": 2}).model.config
    assert config.patch_size == 8
    with pytest.raises(UsageError, match="patch=12 cannot be: pictures of 96 x 64"):
        build("yolos", shape, {"patch": 12})


def labels(target):
    """As transformers has them; here only to have its losses taken."""
    return {"class_labels": target[:1, 0].long().clamp(min=0), "boxes": torch.full((1, 4), 0.5)}


def test_many_pairs_are_compared_a_part_at_a_time(shown, monkeypatch):
    task = learn(shown)
    batch = batch_of(encoded(task, shown))
    torch.manual_seed(0)
    outputs = build("detector", task.shape, {"width": 8}).eval()(*task.inputs(batch))
    truths = batch["boxes"], batch["target"], batch["target_length"]
    whole = losses(outputs, *truths, task.size)
    monkeypatch.setattr("core.tasks.detecting._MOST_PAIRS", 1)
    assert torch.equal(losses(outputs, *truths, task.size), whole)


@pytest.mark.parametrize("words", ["flip=both:p=1", "flip", "crop=0.3", "crop,flip=vertical"])
def test_boxes_go_where_the_picture_goes(words):
    random = np.random.default_rng(0)
    images, boxes = np.zeros((32, 1, 48, 64), np.uint8), np.zeros((32, 1, 4), np.float32)
    for image, (box,) in zip(images, boxes, strict=True):
        x, y = random.integers(0, 40), random.integers(0, 30)
        across, down = random.integers(8, 24), random.integers(8, 18)
        image[0, y : y + down, x : x + across] = 255
        box[:] = [x, y, x + across, y + down]
    batch = {"image": torch.from_numpy(images), "boxes": torch.from_numpy(boxes)}
    made = Augmenter(written.read([words]), 0)({**batch, "_rid": torch.arange(32)}, 0)
    assert not torch.equal(made["boxes"], batch["boxes"])
    for image, (box,) in zip(made["image"], made["boxes"].tolist(), strict=True):
        y, x = (image[0].float() >= 128).nonzero(as_tuple=True)
        if len(x):
            seen = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert np.allclose(seen, box, atol=1.01)
        else:
            assert (box[2] - box[0]) * (box[3] - box[1]) < 2


@pytest.mark.parametrize("by_place", [True, False])
def test_what_was_cropped_away_is_nothing_to_be_found(opened, by_place):
    view = opened(
        {"image": [picture(64, 64, (2, 2, 30, 30))], "objects": [cell(("a", 2, 2, 30, 30))]},
        media={"image": "image"},
    )
    task = learn(view)
    batch = batch_of(encoded(task, view))
    torch.manual_seed(0)
    logits, found, places = build("detector", task.shape, {"width": 8}).eval()(*task.inputs(batch))
    outputs = logits, found, places if by_place else places[:0]

    def loss(*boxes):
        truth = batch["target"][:, :1].expand(-1, len(boxes), -1)
        return losses(outputs, torch.tensor([boxes]), truth, torch.tensor([len(boxes)]), task.size)

    seen = [2.0, 2.0, 30.0, 30.0]
    alone = loss(seen)
    for gone in ([0.0, 5.0, 0.0, 20.0], [5.0, 64.0, 20.0, 64.0], [64.0, 64.0, 64.0, 64.0]):
        assert torch.equal(loss(seen, gone), alone)
    assert not torch.equal(loss(seen, [40.0, 40.0, 60.0, 60.0]), alone)


def test_the_smallest_picture_trains_alone(opened):
    view = opened(
        {"image": [picture(9, 9, (2, 2, 5, 5))], "objects": [cell(("a", 2, 2, 5, 5))]},
        media={"image": "image"},
    )
    task = learn(view)
    batch = batch_of(encoded(task, view))
    for levels in (2, 3, 4):
        model = build("detector", task.shape, {"width": 8, "levels": levels}).train()
        assert torch.isfinite(task.loss(model(*task.inputs(batch)), batch))


def test_what_would_part_boxes_from_pictures_is_refused():
    asked = written.read(["flip", "crop", "colour", "rotate"])
    with pytest.raises(UsageError, match="rotate cannot be: a box that is turned") as caught:
        written.check_task(asked, ObjectDetection)
    assert "flip, crop and translate" in caught.value.hint
    with pytest.raises(UsageError, match="mixup and cutmix cannot be") as caught:
        written.check_task(written.read("flip,mixup,cutmix"), ObjectDetection)
    assert caught.value.hint == "There are: flip, crop, translate, colour, erase."


def test_what_is_no_picture_is_named(opened):
    view = opened(
        {
            "image": [picture(9, 9), b"noise"],
            "objects": [cell(("a", 1, 1, 4, 4))] * 2,
            "path": ["a.png", "b.png"],
        },
        media={"image": "image"},
    )
    with pytest.raises(LeptonError, match="the image cannot be read") as caught:
        learn(view)
    assert caught.value.where == "column image, b.png"


@pytest.mark.slow
def test_nuclei_are_found(tmp_path):
    workspace = Workspace.open(tmp_path)
    version = ingest(workspace, str(SAMPLES / "segmentation" / "nuclei"), "nuclei").version
    assert (version.task, version.target) == ("object-detection", "objects")
    # No two cells are alike, and yet they are no classes of which each keeps a training row.
    assert split(Lake(workspace), version, test=0.25).params["rows"]["test"] == 16
    started = start_training(
        workspace,
        {
            "dataset": "nuclei",
            "epochs": 20,
            "batch_size": 8,
            "augment": ["flip=both"],
            "threads": 1,
        },
    )
    state = started.wait(DEADLINE)
    assert state.state == "finished", started.log_tail()
    report = evaluate_model(workspace, "nuclei_detector")
    assert report.rows == 16
    assert report.metrics["map_50"] > 0.5 > 0.1 > report.baseline["map_50"]
    (nucleus,) = report.details["per_class"]
    assert nucleus["recall"] > 0.5
    path = tmp_path / "tile.png"
    content = (SAMPLES / "segmentation/nuclei/images/tile_000_000.png").read_bytes()
    with Image.open(io.BytesIO(content)) as tile:
        tile.resize((192, 192)).save(path)
    (answer,) = Engine(workspace, "cpu").predict("nuclei_detector", [str(path)])
    assert answer.ok
    assert answer.output["boxes"]
    edges = np.array([each["box"] for each in answer.output["boxes"]])
    assert edges.max() > 64, "boxes are in the picture's own pixels"
    assert (edges >= 0).all()
    assert (edges <= 192).all()


def test_padding_and_company_change_no_answer(shown):
    task = learn(shown)
    torch.manual_seed(0)
    model = build("detector", task.shape, {"width": 8})
    tensors = as_tensors({k: v for k, v in encoded(task, shown).items() if k != "row"})
    how = {"device": torch.device("cpu")}
    together = solved(model, task, tensors, batch_size=3, **how)
    alone = solved(model, task, tensors, batch_size=1, **how)
    assert np.allclose(together, alone, atol=1e-4)
