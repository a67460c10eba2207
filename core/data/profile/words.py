"""The words of a column of texts: how many, which, and in which languages."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.data.lake.view import ROW_ID, View, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = 5000
TEXTS_OF_A_LANGUAGE = 400
# Fewer letters do not tell a language.
LETTERS = 20
MOST_CHARACTERS = 2000
TOP = 15
# Word characters of any script; a digit alone is no word.
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def words(view: View, column: str) -> dict[str, Any] | None:
    """What texts taken at even distances say; None where hardly any holds several words.

    `languages` has the share of each, by its ISO 639-1 code, most common first; None where the
    package that tells them is not installed.
    """
    every = max(1, view.version.rows // TEXTS)
    name = quoted(column)
    texts = [
        text
        for (text,) in view.sql(
            f"SELECT left({name}, {MOST_CHARACTERS}) FROM rows WHERE {name} IS NOT NULL"
            f" AND {ROW_ID} % ? = 0 LIMIT {TEXTS}",
            [every],
        )
    ]
    found = [_WORD.findall(text.lower()) for text in texts]
    count = sum(map(len, found))
    if count < 3 * len(texts):
        return None
    vocabulary = Counter(word for text in found for word in text)
    return {
        "looked_at": len(texts),
        "mean": round(count / len(texts), 2),
        "vocabulary": len(vocabulary),
        "top": vocabulary.most_common(TOP),
        "languages": languages(texts),
    }


def languages(texts: list[str]) -> dict[str, float] | None:
    """The share of each language among the longer ones of `texts`."""
    identify = _identifier()
    long = [text for text in texts if sum(map(str.isalpha, text)) >= LETTERS]
    if identify is None or not long:
        return None
    step = max(1, len(long) // TEXTS_OF_A_LANGUAGE)
    told = Counter(identify(text) for text in long[::step])
    return {language: round(n / told.total(), 4) for language, n in told.most_common()}


@lru_cache(maxsize=1)
def _identifier() -> Callable[[str], str] | None:
    try:
        import py3langid  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return None
    return lambda text: str(py3langid.classify(text)[0])
