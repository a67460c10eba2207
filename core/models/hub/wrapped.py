"""Modules of transformers as the trainer, the evaluator and the engine know a model.

They take a task's `inputs` and return its outputs, so that nobody sees whose module it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import UsageError
from core.models.tokens import masked_mean, text_mask

_SILENCE = 1e-7
_NOTHING = 4.6
"""The logit of nothing, by which one in a hundred is something."""


class Wrapped(nn.Module):
    """A module of transformers; while it is `still`, its `backbone` stays as in evaluation.

    That is all below its head, by name, or what of it hears or sees.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.still = False
        self.backbone: str = model.base_model_prefix  # type: ignore[assignment]

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.still:
            # Frozen layers neither drop values nor follow the batches' means.
            self.model.get_submodule(self.backbone).eval()
        return self


class Text(Wrapped):
    """Tokens int [n, t] and lengths int [n] to logits [n, outputs]; padding is never looked at.

    `model` is one of transformers' ...ForSequenceClassification, and the tokens are its own.
    """

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        logits: Tensor = self.model(tokens, attention_mask=text_mask(tokens, length)).logits
        return logits

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width]."""
        return _mean_state(self.model.base_model, tokens, length)


class Remembering(ABC):
    """A module that goes on with texts; see `core.generation.decoder.Decoder`."""

    model: nn.Module

    def new_cache(self) -> Any:
        from core.models.hub.caches import new_cache

        return new_cache(self.model)

    def held(self, cache: Any) -> int:
        from core.models.hub.caches import held

        return held(cache)

    def next_logits(self, tokens: Tensor, caches: Sequence[Any]) -> Tensor:
        from core.models.hub.caches import can_join

        if len(caches) == 1 or can_join(caches):
            return self._said(tokens, caches)
        each = [self._said(tokens[at : at + 1], [one]) for at, one in enumerate(caches)]
        return torch.cat(each)

    @abstractmethod
    def output_weight(self) -> Tensor:
        """The matrix that makes logits of a state, [vocabulary, width]."""

    @abstractmethod
    def _said(self, tokens: Tensor, caches: Sequence[Any]) -> Tensor:
        """The logits after the newest of the tokens, [n, vocabulary]."""


class NextPiece(Remembering, Wrapped):
    """Tokens int [n, t] to the logits of each one's successor, [n, t, vocabulary].

    `model` is one of transformers' ...ForCausalLM; what it has beyond the vocabulary only makes its
    size a round number.
    """

    def __init__(self, model: nn.Module, vocabulary: int) -> None:
        super().__init__(model)
        self.vocabulary = vocabulary

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.model(tokens, use_cache=False).logits
        return logits[..., : self.vocabulary]

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width], of tokens [n, t] and lengths [n]."""
        return _mean_state(self.model.base_model, tokens, length)

    def output_weight(self) -> Tensor:
        weight: Tensor = self.model.get_output_embeddings().weight  # type: ignore[operator]
        return weight

    def _said(self, tokens: Tensor, caches: Sequence[Any]) -> Tensor:
        from core.models.hub.caches import heard

        logits: Tensor = heard(self.model, tokens, caches, logits_to_keep=1).logits
        return logits[:, -1, : self.vocabulary]


class TextClassifier(nn.Module):
    """Tokens int [n, t] and lengths int [n] to logits [n, outputs]; padding is never looked at.

    `model` is one of transformers' ...ForSequenceClassification with words for tokens. It reads its
    answer off a mark before the text, the last token of its vocabulary.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.mark: int = model.get_input_embeddings().num_embeddings - 1  # type: ignore[operator]

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        marked = F.pad(tokens, (1, 0), value=self.mark)
        logits: Tensor = self.model(marked, attention_mask=text_mask(marked, length + 1)).logits
        return logits

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width]; the mark is part of what is read."""
        marked = F.pad(tokens, (1, 0), value=self.mark)
        return _mean_state(self.model.base_model, marked, length + 1)


class NextToken(Remembering, nn.Module):
    """Tokens int [n, t] to the logits of each one's successor, [n, t, vocabulary].

    `model` is a bare decoder of transformers; one matrix reads and says the tokens.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        states = self.model(tokens, use_cache=False).last_hidden_state
        return F.linear(states, self.output_weight())

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width], of tokens [n, t] and lengths [n]."""
        return _mean_state(self.model, tokens, length)

    def output_weight(self) -> Tensor:
        weight: Tensor = self.model.get_input_embeddings().weight  # type: ignore[operator]
        return weight

    def _said(self, tokens: Tensor, caches: Sequence[Any]) -> Tensor:
        from core.models.hub.caches import heard

        states = heard(self.model, tokens, caches).last_hidden_state[:, -1]
        return F.linear(states, self.output_weight())


class ImageClassifier(Wrapped):
    """float [n, c, h, w] to logits [n, outputs]; `size` (height, width) is what `model` reads.

    An image is made `larger` so many times, and what then is missing below and to the right is
    filled up with the mean of all images.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int], *, larger: int = 1) -> None:
        super().__init__(model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        self.size = size
        self.larger = larger

    def forward(self, image: Tensor) -> Tensor:
        if self.larger > 1:
            image = F.interpolate(image, scale_factor=self.larger, mode="bilinear")
        height, width = self.size[0] - image.shape[2], self.size[1] - image.shape[3]
        logits: Tensor = self.model(F.pad(image, (0, width, 0, height))).logits
        return logits


class Finder(Wrapped):
    """float [n, c, h, w] to a set of what there is, as `core.models.detector` has it at its places.

    Logits [n, q, outputs], boxes [n, q, 4] (left, top, right, bottom in pixels), and no places,
    [0, 5]. `model` is one of transformers' ...ForObjectDetection; where it tells one more class,
    that of nothing, a logit is how much likelier than nothing each class is. Where its
    configuration asks for auxiliary losses, what the same heads say of each earlier layer stands
    behind: logits and boxes, in turn.
    """

    def __init__(self, model: nn.Module, outputs: int) -> None:
        super().__init__(model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        self.outputs = outputs
        self.auxiliary = bool(getattr(model.config, "auxiliary_loss", False))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        model: Any = self.model
        if not self.auxiliary:
            said = model(image)
            logits, boxes = self._read(said.logits, said.pred_boxes, image)
            return logits, boxes, boxes.new_zeros(0, 5)
        told = [
            self._read(
                model.class_labels_classifier(each), model.bbox_predictor(each).sigmoid(), image
            )
            for each in self._layers(image)
        ]
        logits, boxes = told.pop()
        return logits, boxes, boxes.new_zeros(0, 5), *(each for pair in told for each in pair)

    def _layers(self, image: Tensor) -> list[Tensor]:
        """What the heads read, [n, q, width], of each layer, the last one last."""
        model: Any = self.model
        if hasattr(model, "vit"):
            tokens = model.config.num_detection_tokens
            said = model.vit(image, output_hidden_states=True)
            # The first is before any layer; the last goes through the same norm in the model.
            before = [model.vit.layernorm(each) for each in said.hidden_states[1:-1]]
            return [each[:, -tokens:] for each in (*before, said.last_hidden_state)]
        said = model.model(image)
        return [*said.intermediate_hidden_states[:-1], said.last_hidden_state]

    def _read(self, logits: Tensor, shares: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        if logits.shape[2] > self.outputs:
            logits = logits[..., :-1] - logits[..., -1:]
        x, y, width, height = shares.float().unbind(-1)
        edges = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        sides = image.shape[3], image.shape[2]
        return logits, torch.stack([edge * sides[at % 2] for at, edge in enumerate(edges)], -1)


class Listener(Wrapped):
    """Sounds float [n, samples] and their samples int64 [n] to logits and the steps of each.

    `model` is one of transformers' ...ForCTC that read samples; with `level` it is given each sound
    with mean 0 and deviation 1. Logits are [n, steps, outputs], in the order of `places` where
    there are any. Padding is not looked at, unless the model was made to take it for silence.
    """

    def __init__(self, model: nn.Module, *, level: bool = True, places: Sequence[int] = ()) -> None:
        super().__init__(model)
        self.level = level
        self.places = list(places)
        config: Any = model.config
        self.masks: bool = getattr(config, "feat_extract_norm", "layer") == "layer"

    def forward(self, sound: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        there = torch.arange(sound.shape[1], device=sound.device) < length[:, None]
        sound = sound * there
        if self.level:
            count = length[:, None]
            centred = (sound - sound.sum(1, keepdim=True) / count) * there
            power = centred.square().sum(1, keepdim=True) / count
            sound = centred * (power + _SILENCE).rsqrt()
        model: Any = self.model
        logits = model(sound, attention_mask=there.long() if self.masks else None).logits
        steps = model._get_feat_extract_output_lengths(length)
        return logits[..., self.places] if self.places else logits, steps


class Forecaster(Wrapped):
    """A window [n, context, columns], what is forecast first, to the next `steps`, [n, steps].

    `model` is a PatchTSTForPrediction; it tells at least so many, and is never told the calendar.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        super().__init__(model)
        self.columns: int = model.config.num_input_channels  # type: ignore[union-attr, assignment]
        self.steps = steps

    def forward(self, window: Tensor, phases: Tensor) -> Tensor:
        told: Tensor = self.model(window[..., : self.columns]).prediction_outputs
        return told[:, : self.steps, 0]


def _mean_state(model: Any, tokens: Tensor, length: Tensor) -> Tensor:
    """The mean of what a bare model of transformers makes of each text, [n, width]."""
    mask = text_mask(tokens, length)
    return masked_mean(model(tokens, attention_mask=mask).last_hidden_state, mask)


def check_heads(name: str, options: dict[str, Any], *, pairs: bool = False) -> None:
    """Refuse a width that the heads cannot share, in `pairs` where places are rotations.

    Raises:
        UsageError: they cannot.
    """
    width, heads = options["width"], options["heads"]
    if width % (2 * heads if pairs else heads):
        how = " in pairs" if pairs else ""
        raise UsageError(
            f"width={width} cannot be divided among heads={heads}{how}", where=f"options of {name}"
        )


def encoder(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an encoder as BERT has it, in transformers' words."""
    return {
        "hidden_size": options["width"],
        "intermediate_size": 4 * options["width"],
        "num_hidden_layers": options["layers"],
        "num_attention_heads": options["heads"],
        "hidden_dropout_prob": options["dropout"],
        "attention_probs_dropout_prob": options["dropout"],
    }


def spread(model: nn.Module, *tokens: nn.Parameter) -> None:
    """Begin a small detector so that what is seen reaches its boxes, and no two tokens are alike.

    transformers' own beginning is made for wide layers: through narrow ones hardly anything passes.
    """
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    for each in tokens:
        nn.init.normal_(each)


def rarely(head: nn.Linear) -> None:
    """Let a detector's head, whose last class is nothing, begin by finding hardly anything."""
    with torch.no_grad():
        head.bias[-1] += _NOTHING
