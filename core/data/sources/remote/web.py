"""HTTP as an import needs it: whole answers into files, tried again where that may help."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import wait
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.message import Message
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import urlsplit

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from core.data.sources.desk import Desk, Progress, UnchangedError
from core.data.sources.remote.address import followed, same_place, shown
from core.data.sources.remote.failures import Again, failure, refusal, too_large
from core.data.sources.remote.headers import headers_for, query_for
from core.data.sources.remote.marks import mark_of, tells_bytes
from core.errors import LeptonError, UsageError

CHUNK = 1 << 18
MOST_REDIRECTS = 10
TRIES = 5
# Seconds: between two looks at what came, without an answer, and before the second try.
LOOK_EVERY = 0.1
TIMEOUT = 30.0
FIRST_WAIT = 0.5
PARTIAL, NOT_MODIFIED, NO_SUCH_PART = 206, 304, 416
NO_CONDITION: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """What came: the address that answered at last, and its headers. The body is in the file."""

    url: str
    headers: Message
    bytes: int


@contextmanager
def open_web(desk: Desk, named: str) -> Iterator[Web]:
    """Requests for one import, beginning at the address that was named; then connections close.

    Raises:
        UsageError: the environment names a proxy, or certificates, that cannot be used.
    """
    try:
        # Packed answers are unpacked here, for what was cut short must be seen.
        client = httpx2.AsyncClient(
            timeout=TIMEOUT,
            headers={"User-Agent": "lepton", "Accept": "*/*", "Accept-Encoding": "identity"},
        )
    except OSError as error:
        raise UsageError(
            "the certificates in SSL_CERT_FILE or SSL_CERT_DIR cannot be read",
            where="the environment",
            hint="Correct or unset it.",
        ) from error
    except (ValueError, httpx2.InvalidURL) as error:
        raise UsageError(
            "a proxy in the environment is none that can be used",
            where="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY",
            hint="Write it like http://host:3128 or socks5://host:1080.",
        ) from error
    # The requests wait in a loop of their own, which a server that stalls cannot hold up.
    with (
        start_blocking_portal(name="web") as portal,
        portal.wrap_async_context_manager(client),
    ):
        yield Web(desk, named, portal, client)


class Web:
    """The requests of one import. What they bring is bounded in all."""

    def __init__(
        self, desk: Desk, named: str, portal: BlockingPortal, client: httpx2.AsyncClient
    ) -> None:
        self._desk = desk
        self._named = named
        self._portal, self._client = portal, client
        self._left = self._most = desk.options.most_bytes
        self._came = self._promised = 0
        self._mark: str | None = None

    def fetch(
        self,
        url: str,
        out: BinaryIO,
        most: int | None = None,
        tell: Progress | None = None,
        unless: Mapping[str, str] = NO_CONDITION,
    ) -> Answer:
        """Write what an address answers to a file, from where it stands; at most so many bytes.

        `unless` are headers with which a server need not send what was brought in before.

        Raises:
            UnchangedError: it is as it was then.
            LeptonError: it does not answer, refuses, leads astray, or sends more than is allowed.
            Cancelled: the import is no longer wanted.
        """
        self._most = self._left if most is None else min(self._left, most)
        told = self._came = self._promised = 0
        under_way = self._portal.start_task_soon(self._tried, url, out, unless)
        try:
            while not wait([under_way], LOOK_EVERY).done:
                self._desk.check()
                if tell is not None and self._came != told:
                    told = self._came
                    tell(told, self._promised)
            answer = under_way.result()
        finally:
            under_way.cancel()
        self._left -= answer.bytes
        if tell is not None:
            tell(self._came, self._came)
        return answer

    async def _tried(self, url: str, out: BinaryIO, unless: Mapping[str, str]) -> Answer:
        start, wait_for, left = out.tell(), FIRST_WAIT, TRIES
        self._mark = None
        while True:
            if self._mark is None:
                out.seek(start)
                out.truncate()
            have = out.tell() - start
            try:
                return await self._once(url, out, unless, have)
            except Again as again:
                # A long way whose every piece arrives is no failure, however often it is cut.
                far = self._mark is not None and out.tell() - start - have >= CHUNK
                left = TRIES if far else left - 1
                if not left:
                    raise LeptonError(
                        f"the address could not be read in {TRIES} tries: {again}",
                        where=shown(url),
                        hint="Check the address and the network, or try again later.",
                    ) from again
                jitter = random.uniform(0.5, 1)  # noqa: S311
                await anyio.sleep(wait_for * jitter if again.wait is None else again.wait)
                wait_for = FIRST_WAIT if far else wait_for * 2

    async def _once(self, url: str, out: BinaryIO, unless: Mapping[str, str], have: int) -> Answer:
        """One try. Of an answer that was cut short, `have` bytes are there: the rest is asked for,
        and all of it comes where the content is no longer the same.
        """
        where = url
        if have and self._mark is not None:
            unless = {"Range": f"bytes={have}-", "If-Range": self._mark}
        for _ in range(MOST_REDIRECTS + 1):
            async with self._asked(where, unless) as response:
                if response.has_redirect_location:
                    where = followed(where, response.headers["Location"])
                    continue
                if response.status_code == NOT_MODIFIED and unless:
                    raise UnchangedError("the server says that it is as it was", where=shown(where))
                rest = self._goes_on(response, have)
                if response.status_code not in (200, 203) and not rest:
                    raise refusal(response, where)
                headers = Message()
                for name, value in response.headers.multi_items():
                    headers[name] = value
                if not rest:
                    out.seek(-have, os.SEEK_CUR)
                    out.truncate()
                    have = 0
                    mark = mark_of(headers)
                    self._mark = mark if mark is not None and tells_bytes(mark) else None
                return Answer(where, headers, have + await self._pour(response, out, where, have))
        raise LeptonError(
            f"the address leads on to others more than {MOST_REDIRECTS} times",
            where=shown(url),
            hint="Check the address.",
        )

    def _goes_on(self, response: httpx2.Response, have: int) -> bool:
        """Whether an answer is the rest of what was cut short.

        Raises:
            Again: it is some other part, or there is none.
        """
        if response.status_code not in (PARTIAL, NO_SUCH_PART) or not have or self._mark is None:
            return False
        if response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            return True
        self._mark = None
        raise Again("another part came than was asked for")

    @asynccontextmanager
    async def _asked(self, url: str, unless: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
        """The answer to one request, which brings along what the host may know."""
        parts = urlsplit(url)
        host, named = parts.hostname or "", same_place(self._named, url)
        secret = headers_for(host, named=named, encrypted=parts.scheme == "https")
        sent = {**unless, **secret}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        query = query_for(host, named=named)
        asked = f"{url}{'&' if parts.query else '?'}{query}" if query else url
        try:
            async with self._client.stream("GET", asked, headers=headers) as response:
                yield response
        except httpx2.InvalidURL as error:
            raise UsageError(
                f"this is no address: {error}", where=shown(url), hint="Check how it is written."
            ) from error
        except httpx2.TransportError as error:
            raise failure(error, url) from error

    async def _pour(self, response: httpx2.Response, out: BinaryIO, url: str, have: int) -> int:
        """Write the body, unpacked if it was packed for the way; the bytes that were written."""
        packing = response.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", "x-gzip", "deflate"):
            raise LeptonError(
                f"the answer is packed as {packing}, which was not asked for",
                where=shown(url),
                hint="Download it in another way, and name the file.",
            )
        unpacking = None if packing == "identity" else _Unpacking()
        if packing != "identity":
            # Where the rest of it begins, only the server knows.
            self._mark = None
        self._came, self._promised = have, have + int(response.headers.get("Content-Length", 0))
        written = 0
        if self._promised > self._most:
            raise self._too_large(url)
        async for chunk in response.aiter_raw():
            self._came += len(chunk)
            for plain in (chunk,) if unpacking is None else unpacking.plain(chunk):
                written += len(plain)
                if have + written > self._most:
                    raise self._too_large(url)
                out.write(plain)
        if unpacking is not None and self._came and not unpacking.whole:
            raise Again("the packed answer was cut short")
        return written

    def _too_large(self, url: str) -> LeptonError:
        page = self._most < self._left
        return too_large(url, self._most if page else self._desk.options.most_bytes, page=page)


class _Unpacking:
    """A body packed by gzip or deflate, also if it is several after each other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(47)

    @property
    def whole(self) -> bool:
        return self._member.eof

    def plain(self, chunk: bytes) -> Iterator[bytes]:
        """The next bytes unpacked, a bounded piece at a time.

        Raises:
            Again: they are damaged.
        """
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(47)
            try:
                yield self._member.decompress(chunk, CHUNK)
            except zlib.error as error:
                raise Again("the packed answer is damaged") from error
            chunk = self._member.unconsumed_tail or self._member.unused_data
