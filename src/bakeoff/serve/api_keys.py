"""API keys of clients: made here, kept as hashes, found again by what a client shows.

A key is 32 bytes of the system's chance, so that its hash is a plain SHA-256: slow hashes (argon2, bcrypt) protect words that people
choose, which can be guessed one by one. 2^256 keys cannot, however fast the hash is; a slow one would only cost each request, and let
strangers keep the gateway busy. Who has the file has no key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import Field

from bakeoff.core.spec import Record

ENVIRONMENT = "environment"
"""The name of the key that is in the environment."""
HASH_PREFIX = "sha256:"
KEY_PREFIX = "bo-"
_CHANCE_BYTES = 32
_NO_DIGEST = bytes(32)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

KeyName = Annotated[str, Field(pattern=NAME_PATTERN, strict=True)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", strict=True)]


class KeyLimits(Record):
    """What one key may: requests that begin, and tokens of answers that end, within any 60 seconds, and requests under way at a time.
    None for as many as come.
    """

    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | None = None
    concurrent_requests: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = None


class StoredKey(KeyLimits):
    """One key as it is kept: its hash (SHA-256 of the key's characters, in hexadecimal), when it was made, its limits."""

    sha256: Hash
    made: date | None = None


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key that opens: its name, its digest (32 bytes), what it may."""

    name: str
    digest: bytes
    limits: KeyLimits = NO_LIMITS


class KeyRing:
    """All keys that open. Where it is `locked`, which any key makes it, nobody comes in without one."""

    def __init__(self, keys: Iterable[ApiKey] = (), *, locked: bool = False) -> None:
        self._keys = {key.digest: key for key in keys}
        self.locked = locked or bool(self._keys)

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """All of them."""
        return tuple(self._keys.values())

    def find(self, shown: bytes) -> ApiKey | None:
        """Return the key that a client shows; None where it opens nothing.

        How long it takes says nothing of the keys. The table is searched by Python's own hash of the digest, which is keyed anew in
        every process, so that nobody can aim at a near miss; the digests themselves are compared in constant time, found or not.
        """
        digest = hashlib.sha256(shown).digest()
        found = self._keys.get(digest)
        same = hmac.compare_digest(digest, _NO_DIGEST if found is None else found.digest)
        return found if same and shown else None


def make_key() -> str:
    """Return a new key. It is shown once, and kept nowhere."""
    return KEY_PREFIX + secrets.token_urlsafe(_CHANCE_BYTES)


def hash_of(key: str) -> str:
    """Return the hash that a key is kept as."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_of_environment(value: str) -> ApiKey:
    """Return the key of an environment variable, which holds the key itself or `sha256:` and its hash."""
    written = value.removeprefix(HASH_PREFIX)
    if value.startswith(HASH_PREFIX) and len(written) == 64 and set(written) <= set("0123456789abcdef"):
        return ApiKey(ENVIRONMENT, bytes.fromhex(written))
    return ApiKey(ENVIRONMENT, bytes.fromhex(hash_of(value)))


def keys_of(stored: Mapping[str, StoredKey]) -> list[ApiKey]:
    """Return stored keys as they open."""
    return [
        ApiKey(
            name,
            bytes.fromhex(key.sha256),
            KeyLimits.model_validate(key.model_dump(include=set(KeyLimits.model_fields))),
        )
        for name, key in stored.items()
    ]
