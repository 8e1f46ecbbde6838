"""Telling somebody: notices as a webhook in Alertmanager's own format, or as JSON on a command's standard input.

A target that fails is tried three times, then it is logged and left; the gateway never waits for one, nor ends for one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

from yarl import URL

from bakeoff.serve.alerting import Notice

log = logging.getLogger(__name__)

ATTEMPTS = 3
WITHIN_S = 10.0
"""How long one attempt may take."""
FIRST_PAUSE_S = 1.0
NEVER = "0001-01-01T00:00:00Z"
"""How Alertmanager writes the end of what has not ended."""
MessageTime = Callable[[float], datetime]
"""From the seconds of the scrapes' clock to a date."""


class Target(Protocol):
    """Somebody who is told."""

    async def tell(self, message: dict[str, Any]) -> None:
        """Hand a message over.

        Raises:
            OSError, aiohttp.ClientError, TimeoutError: it did not arrive.
        """
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes Alertmanager's webhooks, such as a chat's or another Alertmanager's receiver."""

    url: str

    def __str__(self) -> str:
        """Name the host alone: the rest of such an address is often a secret."""
        return f"the webhook at {URL(self.url).host}"

    async def tell(self, message: dict[str, Any]) -> None:
        """POST it as JSON; any answer but 2xx is a failure."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(self.url, json=message) as answer:
            answer.raise_for_status()


@dataclass(frozen=True, slots=True)
class Command:
    """A program of the user's, started without a shell; it reads the message as JSON from its standard input."""

    line: tuple[str, ...]

    def __str__(self) -> str:
        """Name the program alone."""
        return f"the command {self.line[0]}"

    async def tell(self, message: dict[str, Any]) -> None:
        """Run it to its end; any exit code but 0 is a failure."""
        running = await asyncio.create_subprocess_exec(
            *self.line, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                await running.communicate(json.dumps(message).encode())
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
        if running.returncode:
            raise OSError(f"it ended with exit code {running.returncode}")


def write_message(notices: Sequence[Notice], date_of: MessageTime, where: str) -> dict[str, Any]:
    """Return notices in the format of Alertmanager's webhooks, version 4; `where` is the gateway's own URL."""
    alerts = [_alert(notice, date_of, where) for notice in notices]
    firing = any(notice.status == "firing" for notice in notices)
    return {
        "version": "4",
        "groupKey": '{}:{source="bakeoff"}',
        "status": "firing" if firing else "resolved",
        "receiver": "bakeoff",
        "groupLabels": {"source": "bakeoff"},
        "commonLabels": {"source": "bakeoff"},
        "commonAnnotations": {},
        "externalURL": where,
        "truncatedAlerts": 0,
        "alerts": alerts,
    }


def _alert(notice: Notice, date_of: MessageTime, where: str) -> dict[str, Any]:
    labels = {"alertname": notice.rule, "severity": notice.severity, "source": "bakeoff", **dict(notice.labels)}
    return {
        "status": notice.status,
        "labels": labels,
        "annotations": {"summary": notice.summary, "description": notice.advice},
        "startsAt": date_of(notice.since_s).isoformat(),
        "endsAt": NEVER if notice.status == "firing" else date_of(notice.at_s).isoformat(),
        "generatorURL": where,
        "fingerprint": blake2b(json.dumps([notice.rule, notice.labels]).encode(), digest_size=8).hexdigest(),
    }


async def tell_all(targets: Sequence[Target], message: dict[str, Any]) -> None:
    """Tell every target, each tried a few times; what fails for good is logged, and nothing else comes of it."""
    await asyncio.gather(*(_tell(target, message) for target in targets))


async def _tell(target: Target, message: dict[str, Any]) -> None:
    import aiohttp

    for attempt in range(1, ATTEMPTS + 1):
        try:
            await target.tell(message)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            # Of the error its kind alone: aiohttp's messages quote the whole address.
            log.warning(
                "an alert did not reach %s (attempt %d of %d): %s", target, attempt, ATTEMPTS, type(error).__name__
            )
            if attempt < ATTEMPTS:
                await asyncio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        else:
            return
