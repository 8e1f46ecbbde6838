"""The status page of a gateway that asks for a key, in a real browser: it asks for a password, and the key is one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bakeoff.serve.api_keys import KeyRing, key_of_environment
from bakeoff.serve.app import Keys
from gateways import fakes, make_plan, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def test_a_browser_asks_for_the_key_as_a_password(tmp_path: Path) -> None:
    from playwright.async_api import async_playwright

    async def work() -> list[tuple[int | None, str]]:
        keys = Keys(clients=KeyRing([key_of_environment("right-key")]))
        found = []
        async with (
            running(make_plan("a"), tmp_path, commands=fakes(a=[]), keys=keys) as gateway,
            async_playwright() as driver,
        ):
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for password in ("right-key", "wrong"):
                # Credentials are what a person types: Chromium wants them where it understands a challenge, and never before.
                context = await browser.new_context(http_credentials={"username": "me", "password": password})
                tab = await context.new_page()
                response = await tab.goto(f"{gateway.url}/")
                found.append((response.status if response else None, await tab.inner_text("body")))
            await browser.close()
        return found

    (let_in, page), (refused, _) = asyncio.run(work())
    assert (let_in, refused) == (200, 401)
    assert "bakeoff" in page
