"""How a text is to go on: the settings of generation, checked before any work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from core.errors import Mistakes, UsageError, nearest, together
from core.options import Option, defaults_of, resolved

TOO_LONG = "too_long"
MOST_STOPS = 16
MOST_STOP_LETTERS = 256
MOST_SEED = 2**63 - 1
MOST_LIKELIEST = 20
MOST_BIASES, MOST_BIAS = 1024, 100
OPTIONS = (
    Option("max_tokens", 512, "pieces that the answer has at most", 0, 1 << 20),
    Option("temperature", 0.8, "how daring it is; 0 takes the likeliest piece each time", 0, 10),
    Option("top_k", 40, "draw from so many of the likeliest pieces; 0: from all", 0, 1 << 20),
    Option("top_p", 1.0, "draw from the likeliest that together reach this share", 0, 1),
    Option("min_p", 0.0, "leave out what is less likely than this share of the likeliest", 0, 1),
    Option("repetition_penalty", 1.0, "above 1: what was said becomes less likely", 0.01, 10),
    Option("presence_penalty", 0.0, "above 0: what the answer has said becomes less likely", -2, 2),
    Option("frequency_penalty", 0.0, "above 0: less likely each time that it was said", -2, 2),
    Option("seed", -1, "the same seed gives the same answer; -1: another one each time", -1,
           MOST_SEED),
)  # fmt: skip
LISTED = ("stop", "json", "schema", "logit_bias", "logprobs")
"""Settings that are no single number."""


@dataclass(frozen=True)
class Sampling:
    """How a text is to go on. Made by `Sampling.of`, which checks it.

    `stop` are texts before which the answer ends; they are not part of it. With `json` the answer
    is a JSON object, with `schema` one that fits that JSON schema. `logit_bias` is added to the
    logits of single pieces. With `logprobs` each token is told with its log-probability, and with
    those of the so many likeliest of its place; with `echo` so are those of the prompt, where that
    is a text.
    """

    max_tokens: int = 512
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = -1
    stop: tuple[str, ...] = ()
    json: bool = False
    schema: Mapping[str, Any] | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None
    echo: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The settings that are given, in values or as a command line has them, and the defaults.

        Raises:
            UsageError: unknown names, or values that cannot be; all of them at once.
        """
        mistakes = Mistakes()
        apart = (*LISTED, "echo")
        numbers = {name: value for name, value in given.items() if name not in apart}
        known = {option.name for option in OPTIONS}
        for name in [name for name in numbers if name not in known]:
            del numbers[name]
            hint = nearest(name, [*known, *LISTED])
            mistakes.found.append(UsageError(f'generation has no option "{name}"', hint=hint))
        read = mistakes.attempt(lambda: resolved(OPTIONS, numbers, "generation"))
        stop = mistakes.attempt(lambda: _stops(given.get("stop")))
        schema = mistakes.attempt(lambda: _schema(given.get("schema")))
        bias = mistakes.attempt(lambda: _bias(given.get("logit_bias")))
        logprobs = mistakes.attempt(lambda: _likeliest(given.get("logprobs")))
        if mistakes.found:
            raise together(mistakes.found)
        return cls(
            **(read or {}),
            stop=stop or (),
            json=bool(given.get("json")) or schema is not None,
            schema=schema,
            logit_bias=bias or {},
            logprobs=logprobs,
            echo=bool(given.get("echo")),
        )

    def but(self, **changes: Any) -> Sampling:
        """The same with other values, checked.

        Raises:
            UsageError: they cannot be.
        """
        return Sampling.of({**self.to_json(), **changes})

    def ending(self, stops: Iterable[str]) -> Sampling:
        """The same, ended by these texts too."""
        return replace(self, stop=tuple(dict.fromkeys([*self.stop, *stops])))

    def to_json(self) -> dict[str, Any]:
        bias = {str(piece): more for piece, more in self.logit_bias.items()}
        return {**asdict(self), "stop": list(self.stop), "logit_bias": bias}

    def check_bias(self, vocabulary: int) -> None:
        """Raises UsageError where the bias is for a piece that a model of so many has not."""
        unknown = [piece for piece in self.logit_bias if piece >= vocabulary]
        if unknown:
            raise UsageError(
                f"logit_bias names the token {unknown[0]}, which this model has not",
                where="logit_bias",
                hint=f"Its tokens are 0 to {vocabulary - 1}; its tokenizer.json numbers them.",
            )


assert defaults_of(OPTIONS).items() <= asdict(Sampling()).items()


class TooLong(UsageError):  # noqa: N818 - it is what a prompt is
    """A prompt that leaves no room for an answer: it says how many tokens there are and may be."""

    @classmethod
    def of(cls, tokens: int, context: int, where: str = "") -> Self:
        what = f"the prompt has {tokens:,} tokens, and {context - 1:,} fit into this model"
        return cls(what, where=where, hint="Shorten it.")

    def to_json(self) -> dict[str, str]:
        return super().to_json() | {"why": TOO_LONG}


def _stops(given: Any) -> tuple[str, ...]:
    texts: Sequence[Any] = [given] if isinstance(given, str) else list(given or ())
    right = all(isinstance(text, str) and 0 < len(text) <= MOST_STOP_LETTERS for text in texts)
    if not right or len(texts) > MOST_STOPS:
        raise UsageError(
            f"stop cannot be {given!r}: it is up to {MOST_STOPS} texts of 1 to"
            f" {MOST_STOP_LETTERS} letters",
            where="options of generation",
        )
    return tuple(texts)


def _bias(given: Any) -> dict[int, float]:
    given = _read_json(given, "logit_bias") or {}
    if isinstance(given, Mapping) and len(given) <= MOST_BIASES:
        try:
            read = {int(piece): float(more) for piece, more in given.items()}
        except (ValueError, TypeError):
            read = {-1: 0.0}
        if all(piece >= 0 and abs(more) <= MOST_BIAS for piece, more in read.items()):
            return read
    raise UsageError(
        f"logit_bias has for up to {MOST_BIASES} tokens, by their numbers, what is added to their"
        f' logits, from -{MOST_BIAS} to {MOST_BIAS}: {{"42": -5}}',
        where="options of generation",
    )


def _likeliest(given: Any) -> int | None:
    if isinstance(given, str):
        given = None if given.strip() in ("", "none") else _number(given)
    whole = isinstance(given, int) and not isinstance(given, bool)
    if given is None or (whole and 0 <= given <= MOST_LIKELIEST):
        return None if given is None else int(given)
    raise UsageError(
        f"logprobs={given!r} cannot be: it is how many of the likeliest tokens are told with each,"
        f" 0 to {MOST_LIKELIEST}",
        where="options of generation",
    )


def _number(given: str) -> int | str:
    try:
        return int(given)
    except ValueError:
        return given


def _schema(given: Any) -> Mapping[str, Any] | None:
    given = _read_json(given, "the schema")
    if given is not None and not isinstance(given, Mapping):
        raise UsageError("a JSON schema is an object", where="options of generation")
    return given


def _read_json(given: Any, what: str) -> Any:
    """The value, which a command line has as a text of JSON."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError as error:
        raise UsageError(f"{what} is no JSON: {error}", where="options of generation") from error
