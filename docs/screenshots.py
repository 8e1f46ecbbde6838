"""Makes the pictures of the documentation from a run: the report at desktop and phone width, a run in progress,
and MLflow's compare view.

    python docs/screenshots.py [RUN]      # in a workspace with a finished run, exported by `bakeoff export RUN --to mlflow`

Needs `pip install playwright` and Debian's chromium (or BAKEOFF_CHROMIUM).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
BAKEOFF = (sys.executable, "-m", "bakeoff")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
REPORTS = (("report-desktop", 1280, 1500, "light"), ("report-dark", 1280, 1500, "dark"), ("report-phone", 390, 844, "light"))


def shoot_report(browser: Browser, run: str) -> None:
    """Write the first screens of a run's report."""
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder) / "report.html"
        subprocess.run([*BAKEOFF, "report", run, "-o", str(page_file)], check=True, stdout=subprocess.DEVNULL)
        for name, width, height, scheme in REPORTS:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(page_file.as_uri())
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()


def shoot_live(browser: Browser) -> None:
    """Write the page of a run of the bundled models while it goes on, as soon as it has intervals, and stop that run."""
    with tempfile.TemporaryDirectory() as home:
        command = (*BAKEOFF, "run", "--watch")
        with subprocess.Popen(command, env=os.environ | {"BAKEOFF_HOME": home}, stderr=subprocess.PIPE, text=True) as run:
            url = next(found[0] for line in run.stderr or () if (found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line)))
            page = browser.new_page(viewport={"width": 1280, "height": 1300}, color_scheme="light")
            page.goto(url)
            page.locator("#intervals .estimate:nth-child(4) .track i").wait_for(timeout=120_000)
            page.locator("#lead", has_text="left").wait_for(timeout=120_000)
            page.screenshot(path=IMAGES / "watch.png")
            page.close()
            run.terminate()
            run.communicate()


def choose(page: Page, chosen: str, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> None:
    """Change what a field of MLflow's comparison holds, which now are those `chosen`; its list is as long as it is scrolled."""
    box = page.locator(f'[role=combobox][aria-description="{chosen}"]')
    place = box.get_attribute("id")
    page.locator(f"#{place}").click(force=True)
    options = page.locator(".du-bois-light-select-dropdown:visible .du-bois-light-select-item-option")
    options.first.wait_for()
    options.first.hover()
    for name in (*drop, *add):
        wanted = options.filter(has_text=re.compile(f"^{re.escape(name)}$"))
        for step in (-10_000, *[150] * 100):
            if wanted.count():
                break
            page.mouse.wheel(0, step)
            page.wait_for_timeout(30)
        wanted.click()
    page.keyboard.press("Escape")
    page.locator(".du-bois-light-select-dropdown:visible").wait_for(state="hidden")


def shoot_mlflow(browser: Browser) -> None:
    """Write MLflow's comparison of all runs that this workspace exported."""
    with subprocess.Popen([*BAKEOFF, "dashboard", "--port", "5055", "--no-open"], stdout=subprocess.PIPE, text=True) as served:
        try:
            url = next(found[0] for line in served.stdout or () if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            page = browser.new_page(viewport={"width": 1400, "height": 800})
            answer = page.request.post(f"{url}/api/2.0/mlflow/experiments/search", data={"max_results": 100})
            experiments = [each["experiment_id"] for each in answer.json()["experiments"] if each["name"] != "Default"]
            found = page.request.post(f"{url}/api/2.0/mlflow/runs/search", data={"experiment_ids": experiments})
            runs = [each["info"]["run_id"] for each in found.json()["runs"]]
            query = f"runs={quote(json.dumps(runs))}&experiments={quote(json.dumps(experiments))}"
            # MLflow's page never stops asking its server for things: what is waited for is what is in the picture.
            page.goto(f"{url}/#/compare-runs?{query}", wait_until="commit")
            page.locator(".js-plotly-plot").first.wait_for()
            assistant = page.get_by_role("button", name="Close", exact=True)
            if assistant.count():
                assistant.click()
            choose(page, "model, parameters", drop=("parameters",))
            choose(page, "quality/mean", add=("latency/p50_ms", "memory/peak_gib"))
            page.locator(".js-plotly-plot text", has_text="memory/peak_gib").first.wait_for()
            page.screenshot(path=IMAGES / "mlflow-compare.png")
            page.close()
        finally:
            served.terminate()


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    chromium = os.environ.get("BAKEOFF_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        shoot_report(browser, sys.argv[1] if len(sys.argv) > 1 else "latest")
        shoot_mlflow(browser)
        shoot_live(browser)
        browser.close()


if __name__ == "__main__":
    main()
