"""Near-duplicates: texts by MinHash, images by a perceptual hash, both in any DuckDB.

Broder, "On the resemblance and containment of documents", 1997; banding after Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", chapter 3. The image hash is the one known as pHash: the
signs of the lowest frequencies of a cosine transform, about their median.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.data.layout import ROW_ID, quoted

if TYPE_CHECKING:
    import duckdb
    import numpy as np

PERMUTATIONS = 64
BANDS = 16
WORDS = 3
# Every pair of a larger bucket would be too many; there each row is held against two others.
LARGE_BUCKET = 100
SIDE, LOW = 32, 8
DIFFERING_BITS = 4
BIT_BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))
IMAGES_AT_ONCE = 256


def near_duplicate_texts(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, *, threshold: float = 0.7
) -> list[tuple[int, int]]:
    """Rows whose text is nearly that of an earlier row: `(row id, id of the row to keep)`.

    Two texts are near when the sets of their runs of three words overlap by `threshold` (Jaccard)
    or more; case and blanks do not count. Missing and empty texts are near to nothing.
    """
    own = f"near_{uuid4().hex[:8]}_"
    name = quoted(column)
    clean = f"regexp_replace(lower(trim({name})), '\\s+', ' ', 'g')"
    run = connection.execute
    try:
        run(
            f"CREATE TABLE {own}rows AS SELECT {ROW_ID} AS rid, min({ROW_ID}) OVER"
            f" (PARTITION BY t) AS first, t FROM (SELECT {ROW_ID}, {clean} AS t FROM {relation}"
            f" WHERE {name} IS NOT NULL) WHERE t <> ''"
        )
        run(
            f"CREATE TABLE {own}texts AS SELECT rid, CASE WHEN len(w) < {WORDS} THEN [hash(t)]"
            f" ELSE list_distinct(list_transform(range(1, len(w) - {WORDS} + 2), lambda i:"
            f" hash(w[i], w[i + 1], w[i + 2]))) END AS runs"
            f" FROM (SELECT rid, t, string_split(t, ' ') AS w FROM {own}rows WHERE rid = first)"
        )
        least = ", ".join(
            f"min(hash(xor(r, {_constant(p)}::UBIGINT))) AS m{p}" for p in range(PERMUTATIONS)
        )
        run(
            f"CREATE TABLE {own}signs AS SELECT rid, {least}"
            f" FROM (SELECT rid, unnest(runs) AS r FROM {own}texts) GROUP BY rid"
        )
        each = PERMUTATIONS // BANDS
        bands = " UNION ALL ".join(
            f"SELECT rid, hash({b}, {', '.join(f'm{p}' for p in range(b * each, (b + 1) * each))})"
            f" AS bucket FROM {own}signs"
            for b in range(BANDS)
        )
        both = "len(list_intersect(a.runs, b.runs))"
        pairs = run(
            f"SELECT p.a, p.b FROM ({_pairs(bands)}) p JOIN {own}texts a ON a.rid = p.a"
            f" JOIN {own}texts b ON b.rid = p.b"
            f" WHERE {both} >= {float(threshold)} * (len(a.runs) + len(b.runs) - {both})"
        ).fetchall()
        equal = run(f"SELECT first, rid FROM {own}rows WHERE rid <> first").fetchall()
    finally:
        for table in ("rows", "texts", "signs"):
            run(f"DROP TABLE IF EXISTS {own}{table}")
    return _kept([*pairs, *equal])


def near_duplicate_images(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str
) -> list[tuple[int, int]]:
    """Rows whose image looks like that of an earlier row: `(row id, id of the row to keep)`.

    Images that do not decode, and those without any contrast, are near to nothing.
    """
    import pyarrow as pa

    name = quoted(column)
    reader = connection.cursor().sql(
        f"SELECT {ROW_ID}, {name} FROM {relation} WHERE {name} IS NOT NULL"
    )
    ids: list[int] = []
    hashes: list[int] = []
    with ThreadPoolExecutor(4, thread_name_prefix="hash") as pool:
        for batch in reader.to_arrow_reader(IMAGES_AT_ONCE):
            contents = batch.column(1).to_pylist()
            for rid, found in zip(
                batch.column(0).to_pylist(), pool.map(image_hash, contents), strict=True
            ):
                if found is not None:
                    ids.append(rid)
                    hashes.append(found)
    own = f"near_{uuid4().hex[:8]}"
    table = pa.table({"rid": pa.array(ids, pa.int64()), "h": pa.array(hashes, pa.uint64())})
    connection.register(own, table)
    try:
        bands = " UNION ALL ".join(
            f"SELECT rid, hash({start}, (h >> {start}) & {(1 << width) - 1}::UBIGINT) AS bucket"
            f" FROM {own}"
            for start, width in BIT_BANDS
        )
        pairs = connection.execute(
            f"SELECT p.a, p.b FROM ({_pairs(bands)}) p JOIN {own} a ON a.rid = p.a"
            f" JOIN {own} b ON b.rid = p.b WHERE bit_count(xor(a.h, b.h)) <= {DIFFERING_BITS}"
        ).fetchall()
    finally:
        connection.unregister(own)
    return _kept(pairs)


def image_hash(content: bytes) -> int | None:
    """64 bits that stay nearly the same when an image is scaled, recoded or lightened.

    None for bytes that do not decode, and for an image of one colour.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("L", (SIDE, SIDE))
            grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    pixels = np.asarray(grey, np.float64)
    if np.ptp(pixels) < 2:
        return None
    basis = _cosines()
    low = (basis @ pixels @ basis.T).ravel()
    bits = low > np.median(low[1:])
    return int(sum(1 << place for place in np.flatnonzero(bits).tolist()))


def _cosines() -> np.ndarray[Any, Any]:
    """The first eight rows of the cosine transform of 32 values."""
    import numpy as np

    k, x = np.arange(LOW)[:, None], np.arange(SIDE)[None, :]
    return np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE))


def _pairs(bands: str) -> str:
    """SQL for the pairs `a < b` of ids that share a bucket."""
    buckets = (
        "SELECT rid, bucket, count(*) OVER w AS size, min(rid) OVER w AS least,"
        f" lag(rid) OVER (PARTITION BY bucket ORDER BY rid) AS before FROM ({bands})"
        " WINDOW w AS (PARTITION BY bucket)"
    )
    return (
        f"WITH k AS MATERIALIZED (SELECT * FROM ({buckets}) WHERE size > 1)"
        f" SELECT x.rid AS a, y.rid AS b FROM k x JOIN k y ON x.bucket = y.bucket"
        f" AND x.rid < y.rid WHERE x.size <= {LARGE_BUCKET}"
        f" UNION SELECT least, rid FROM k WHERE size > {LARGE_BUCKET} AND least < rid"
        f" UNION SELECT before, rid FROM k WHERE size > {LARGE_BUCKET} AND before IS NOT NULL"
    )


def _constant(permutation: int) -> int:
    """A fixed number for each permutation, far from the others (splitmix64)."""
    mask = (1 << 64) - 1
    z = (permutation + 1) * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


def _kept(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each row that is near an earlier one, with the first row of its group."""
    first: dict[int, int] = {}

    def root(row: int) -> int:
        while (above := first.get(row, row)) != row:
            first[row] = first.get(above, above)
            row = above
        return row

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        first[high] = low
    return sorted((row, root(row)) for row in first if root(row) != row)
