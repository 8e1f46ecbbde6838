"""Files of recorded texts for a suite of `sample_runs`: runs from end to end without any model."""

from __future__ import annotations

import json
from pathlib import Path

GOOD = {
    "tweet": "On 14 March the doors of number {n} open. Come and try the first rolls out of the oven with us!",
    "business_email": (
        "Subject: Number {n} opens on 14 March\n\nDear Ms Okoye,\n\nNumber {n} opens its doors on 14 March. The kitchen "
        "is fitted, the licence has arrived, and two bakers have signed. Would you join us for the first morning? A short "
        "reply by Friday is enough, and we will keep a table for you by the window.\n\nKind regards,\nTom Reyes"
    ),
    "technical_doc": (
        "# Opening number {n}\n\n## Before you begin\n\nThe oven needs an hour to warm up. Check the gas valve first and "
        "the fan second.\n\n## Steps\n\n1. Open the main valve.\n2. Set the dial to 220 degrees.\n3. Wait for the green "
        "lamp, then load the first tray.\n\nThe first public day is 14 March."
    ),
}
POOR = "Ask nobody at all."


def write_texts(path: Path, kinds: dict[str, str], *, good: bool = True, leave_out: set[str] | None = None) -> Path:
    """Write a line for each brief in `kinds` (id -> content type)."""
    lines = [
        {"brief_id": brief, "text": GOOD[kind].format(n=brief[1:]) if good else POOR}
        for brief, kind in kinds.items()
        if brief not in (leave_out or set())
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
