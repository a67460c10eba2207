"""Keys of a service: named, scoped, expiring. Only their salted hashes are kept.

A key is 256 random bits, so one round of SHA-256 is as strong as many: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from core.atomic import write_bytes
from core.data.lake.names import valid_name
from core.errors import LeptonError, UsageError, nearest
from core.flock import alone
from core.workspace import Workspace

SCOPES = ("infer", "metrics", "admin")
_MARK = "lep"
_PREFIX_BYTES, _SECRET_BYTES, _SALT_BYTES = 4, 32, 16
_NOBODY = "0" * 64


@dataclass(frozen=True)
class Key:
    """What is known of a key. Times are seconds since 1970, UTC; `models` empty means all."""

    name: str
    prefix: str
    salt: str
    hash: str
    scopes: tuple[str, ...]
    models: tuple[str, ...]
    created: float
    expires: float | None

    @property
    def expired(self) -> bool:
        return self.expires is not None and time.time() >= self.expires

    def may(self, scope: str, model: str | None = None) -> bool:
        """Whether it is for this; `admin` is for everything but other models than its own."""
        named = model is None or not self.models or model in self.models
        return named and (scope in self.scopes or "admin" in self.scopes)

    def to_json(self) -> dict[str, Any]:
        """What a person may see of it."""
        shown = {
            name: value for name, value in asdict(self).items() if name not in {"salt", "hash"}
        }
        return {**shown, "expired": self.expired}


class Keys:
    """The keys of a workspace, in a file that only its owner can read.

    A running service hears of a new or removed key with the next request.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.home / "keys.json"
        self._read: tuple[tuple[int, int, int], dict[str, Key]] | None = None

    def list(self) -> list[Key]:
        """All keys by name.

        Raises:
            LeptonError: the file cannot be read, or others can read it.
        """
        return sorted(self._keys().values(), key=lambda key: key.name)

    def add(
        self,
        name: str,
        *,
        scopes: Sequence[str] = ("infer",),
        models: Sequence[str] = (),
        seconds: float | None = None,
    ) -> tuple[str, Key]:
        """Make a key that holds for so many seconds (None: for ever): the key itself, never to be
        seen again, and what is kept of it.

        Raises:
            UsageError: the name is taken or cannot be one, or there is no such scope.
        """
        valid_name(name)
        for scope in scopes:
            if scope not in SCOPES:
                raise UsageError(f'there is no scope "{scope}"', hint=nearest(scope, SCOPES))
        with self._alone():
            keys = self._keys()
            if any(key.name == name for key in keys.values()):
                hint = f"Remove it first: lepton serve keys rm {name}"
                raise UsageError(f'there is a key "{name}" already', hint=hint)
            prefix = secrets.token_hex(_PREFIX_BYTES)
            token = f"{_MARK}_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
            salt, now = secrets.token_hex(_SALT_BYTES), time.time()
            expires = None if seconds is None else now + seconds
            key = Key(
                name,
                f"{_MARK}_{prefix}",
                salt,
                _digest(salt, token),
                tuple(scopes),
                tuple(models),
                now,
                expires,
            )
            self._write([*keys.values(), key])
        return token, key

    def remove(self, name: str) -> None:
        """Raises UsageError when there is none of that name."""
        with self._alone():
            keys = self._keys()
            if not any(key.name == name for key in keys.values()):
                hint = nearest(name, [key.name for key in keys.values()])
                raise UsageError(f'there is no key "{name}"', hint=hint)
            self._write([key for key in keys.values() if key.name != name])

    def find(self, token: str) -> Key | None:
        """The key that a client showed, expired or not; None: nobody's."""
        key = self._keys().get(token[: len(_MARK) + 1 + 2 * _PREFIX_BYTES])
        salt, kept = (key.salt, key.hash) if key else ("", _NOBODY)
        same = hmac.compare_digest(_digest(salt, token), kept)
        return key if same else None

    def _keys(self) -> dict[str, Key]:
        """By prefix; the file is read again when it has changed."""
        try:
            facts = self.path.stat()
        except FileNotFoundError:
            return {}
        if facts.st_mode & 0o077:
            raise LeptonError(
                "others can read the file of keys",
                where=str(self.path),
                hint=f"Make it yours alone: chmod 600 {self.path}",
            )
        stamp = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if self._read is None or self._read[0] != stamp:
            try:
                rows = json.loads(self.path.read_text())["keys"]
                keys = [
                    Key(**{**row, "scopes": tuple(row["scopes"]), "models": tuple(row["models"])})
                    for row in rows
                ]
            except (ValueError, KeyError, TypeError) as error:
                raise LeptonError(
                    f"the file of keys is damaged: {error}",
                    where=str(self.path),
                    hint="Remove it and make new keys: lepton serve keys add NAME",
                ) from error
            self._read = stamp, {key.prefix: key for key in keys}
        return self._read[1]

    def _write(self, keys: Sequence[Key]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=2) + "\n"
        write_bytes(self.path, text.encode(), private=True)

    def _alone(self) -> AbstractContextManager[None]:
        """One writer at a time, on this machine; nobody else can hold it up."""
        return alone(self.path.with_name(f".{self.path.name}.lock"), 0o600)


def _digest(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}{token}".encode(errors="replace")).hexdigest()
