"""Near-duplicates: texts by MinHash, images by a perceptual hash, both in any DuckDB.

Broder, "On the resemblance and containment of documents", 1997; banding after Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", chapter 3. The image hash is the one known as pHash: the
signs of the lowest frequencies of a cosine transform, about their median. Either only finds the
candidates; each is then held against the other in full.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.data.lake.layout import ROW_ID, quoted
from core.errors import Cancelled

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Array = np.ndarray[Any, Any]

PERMUTATIONS = 64
BANDS = 16
WORDS = 3
# Every pair of a large bucket would be too many: a row is held against those just before it there,
# and against the first, which is kept where all of them are alike.
HEAP = 50
SIDE, SMALL, LOW = 32, 16, 8
DIFFERING_BITS = 4
ALIKE = 0.99
BIT_BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))
IMAGES_AT_ONCE = 256
PAIRS_AT_ONCE = 4096


def near_duplicate_texts(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, *, threshold: float = 0.7
) -> list[tuple[int, int]]:
    """Rows whose text is nearly that of an earlier row: `(row id, id of the row to keep)`.

    Two texts are near when the sets of their runs of three words overlap by `threshold` (Jaccard)
    or more; case and blanks do not count. Missing and empty texts are near to nothing. No row is
    dropped for one that is dropped itself.
    """
    own = f"near_{uuid4().hex[:8]}_"
    name = quoted(column)
    run = connection.execute
    words = f"list_filter(string_split_regex(lower({name}), '\\s'), lambda x: x <> '')"
    plain = f"list_filter(string_split(lower({name}), ' '), lambda x: x <> '')"
    spaced = f"regexp_matches({name}, '[\\t\\n\\f\\r\\v]')"
    try:
        # A word is its hash from the start: text is split once, and numbers are quick to mix.
        run(
            f"CREATE TABLE {own}words AS SELECT {ROW_ID} AS rid, hash(w) AS copy, w FROM"
            f" (SELECT {ROW_ID}, list_transform(CASE WHEN {spaced} THEN {words} ELSE {plain} END,"
            f" lambda x: hash(x)) AS w FROM {relation} WHERE {name} IS NOT NULL) WHERE len(w) > 0"
        )
        run(
            f"CREATE TABLE {own}copies AS SELECT copy, min(rid) AS first FROM {own}words"
            " GROUP BY copy HAVING count(*) > 1"
        )
        equal = run(
            f"SELECT w.rid, c.first FROM {own}words w JOIN {own}copies c ON w.copy = c.copy"
            " WHERE w.rid <> c.first"
        ).fetchall()
        run(
            f"CREATE TABLE {own}texts AS SELECT rid, CASE WHEN len(w) < {WORDS} THEN [copy] ELSE"
            f" list_transform(range(1, len(w) - {WORDS} + 2), lambda i:"
            f" hash(w[i], w[i + 1], w[i + 2])) END AS runs FROM {own}words AS each"
            f" WHERE NOT EXISTS (SELECT 1 FROM {own}copies c"
            " WHERE c.copy = each.copy AND c.first <> each.rid)"
        )
        least = ", ".join(
            f"min(hash(xor(r, {_constant(p)}::UBIGINT))) AS m{p}" for p in range(PERMUTATIONS)
        )
        each = PERMUTATIONS // BANDS
        bands = ", ".join(
            f"hash({b}, {', '.join(f'm{p}' for p in range(b * each, (b + 1) * each))})"
            for b in range(BANDS)
        )
        run(
            f"CREATE TABLE {own}bands AS SELECT rid, unnest([{bands}]) AS bucket FROM"
            f" (SELECT rid, {least} FROM (SELECT rid, unnest(runs) AS r FROM {own}texts)"
            " GROUP BY rid)"
        )
        pairs = run(
            "SELECT a, b FROM (SELECT p.a, p.b, len(list_intersect(x.runs, y.runs)) AS shared,"
            " len(list_distinct(x.runs)) + len(list_distinct(y.runs)) AS whole"
            f" FROM ({_pairs(own + 'bands')}) p JOIN {own}texts x ON x.rid = p.a"
            f" JOIN {own}texts y ON y.rid = p.b)"
            f" WHERE shared >= {float(threshold)} * (whole - shared)"
        ).fetchall()
    finally:
        for table in ("words", "copies", "texts", "bands"):
            run(f"DROP TABLE IF EXISTS {own}{table}")
    return _kept(pairs, equal)


def near_duplicate_images(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[tuple[int, int]]:
    """Rows whose image looks like that of an earlier row: `(row id, id of the row to keep)`.

    Images whose 64 bits differ in four at most are compared as 16 by 16 shades of grey: they look
    alike when these correlate by 0.99 or more. Images that do not decode, and those without any
    contrast, are near to nothing. No row is dropped for one that is dropped itself.

    Raises:
        Cancelled: `should_stop`, asked every 256 images, said so.
    """
    import numpy as np
    import pyarrow as pa

    name = quoted(column)
    reader = connection.cursor().sql(
        f"SELECT {ROW_ID}, {name} FROM {relation} WHERE {name} IS NOT NULL"
    )
    ids: list[int] = []
    hashes: list[int] = []
    shades: list[Array] = []
    with ThreadPoolExecutor(4, thread_name_prefix="hash") as pool:
        for batch in reader.to_arrow_reader(IMAGES_AT_ONCE):
            if should_stop():
                raise Cancelled("the search for near-duplicates was cancelled")
            contents = batch.column(1).to_pylist()
            for rid, look in zip(
                batch.column(0).to_pylist(), pool.map(_look, contents), strict=True
            ):
                if look is not None:
                    ids.append(rid)
                    hashes.append(look[0])
                    shades.append(look[1])
    if len(ids) < 2:
        return []
    own = f"near_{uuid4().hex[:8]}"
    places = pa.array(range(len(ids)), pa.int64())
    table = pa.table({"rid": pa.array(ids, pa.int64()), "at": places})
    connection.register(own, table.append_column("h", pa.array(hashes, pa.uint64())))
    try:
        bands = ", ".join(
            f"hash({start}, (h >> {start}) & {(1 << width) - 1}::UBIGINT)"
            for start, width in BIT_BANDS
        )
        connection.execute(
            f"CREATE TABLE {own}_bands AS SELECT rid, unnest([{bands}]) AS bucket FROM {own}"
        )
        pairs = connection.execute(
            f"SELECT x.rid, y.rid, x.at, y.at FROM ({_pairs(own + '_bands')}) p"
            f" JOIN {own} x ON x.rid = p.a JOIN {own} y ON y.rid = p.b"
            f" WHERE bit_count(xor(x.h, y.h)) <= {DIFFERING_BITS}"
        ).fetchall()
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {own}_bands")
        connection.unregister(own)
    alike = _alike(np.stack(shades), [pair[2:] for pair in pairs])
    return _kept([pair[:2] for pair, near in zip(pairs, alike, strict=True) if near], ())


def _look(content: bytes) -> tuple[int, Array] | None:
    """64 bits that stay nearly the same when an image is scaled, recoded or lightened, and its
    shades of grey, uint8 [256].

    None for bytes that do not decode, and for an image of one colour.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            # A JPEG is decoded small, but not so small that its own scaling shows.
            image.draft("L", (4 * SIDE, 4 * SIDE))
            grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    pixels = np.asarray(grey, np.float64)
    if np.ptp(pixels) < 2:
        return None
    basis = _cosines()
    low = (basis @ pixels @ basis.T).ravel()
    bits = np.packbits(low > np.median(low[1:]), bitorder="little")
    shades = pixels.reshape(SMALL, SIDE // SMALL, SMALL, SIDE // SMALL).mean((1, 3))
    return int.from_bytes(bits.tobytes(), "little"), shades.ravel().round().astype(np.uint8)


def _cosines() -> Array:
    """The first eight rows of the cosine transform of 32 values."""
    import numpy as np

    k, x = np.arange(LOW)[:, None], np.arange(SIDE)[None, :]
    return np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE))


def _alike(shades: Array, pairs: list[tuple[int, int]]) -> list[bool]:
    """Whether the shades at two places correlate by 0.99 or more, for each pair of places."""
    import numpy as np

    found: list[bool] = []
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        at = np.asarray(pairs[start : start + PAIRS_AT_ONCE])
        one, other = (shades[at[:, side]].astype(np.float64) for side in (0, 1))
        one -= one.mean(1, keepdims=True)
        other -= other.mean(1, keepdims=True)
        spread = np.sqrt((one**2).sum(1) * (other**2).sum(1))
        found += ((one * other).sum(1) >= ALIKE * np.maximum(spread, 1e-9)).tolist()
    return found


def _pairs(bands: str) -> str:
    """SQL for pairs `a < b` of ids that share a bucket of a table (rid, bucket)."""
    shared = f"SELECT bucket FROM {bands} GROUP BY bucket HAVING count(*) > 1"
    window = "OVER (PARTITION BY bucket ORDER BY rid"
    return (
        "SELECT DISTINCT a, rid AS b FROM (SELECT rid, unnest(list_append(before, least)) AS a FROM"
        f" (SELECT rid, first_value(rid) {window}) AS least, list(rid) {window}"
        f" ROWS BETWEEN {HEAP} PRECEDING AND 1 PRECEDING) AS before"
        f" FROM {bands} WHERE bucket IN ({shared}))) WHERE a < rid"
    )


def _constant(permutation: int) -> int:
    """A fixed number for each permutation, far from the others (splitmix64)."""
    mask = (1 << 64) - 1
    z = (permutation + 1) * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


def _kept(
    pairs: Iterable[tuple[int, int]], equal: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Each row that is like an earlier one which is kept, with that one, by row id.

    `pairs` are (earlier, later); `equal` are (row, first row of the same), the others of which
    are in no pair.
    """
    keeper: dict[int, int] = {}
    for early, late in sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        if early not in keeper and late not in keeper:
            keeper[late] = early
    for row, first in equal:
        keeper[row] = keeper.get(first, first)
    return sorted(keeper.items())
