"""The texts of a run too large to stand on its page: packed into it chunk by chunk, for a script that unpacks what it shows.

An index has what filters, orders and rows need of every brief; it is unpacked when the page opens. A chunk has all else of so many
briefs in a row, in two parts: what one reads and looks for, and how each text came about, which a search need not unpack. Each is
JSON, deflated, in base64, in a script element that no browser runs. What is in them is set as text.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from bakeoff.core.plain import whole_characters
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.page.samples import Cell, Sample, Samples
from bakeoff.report.page.story import type_name

BRIEFS_A_CHUNK = 40
_STATES = ("publishable", "gated", "failed", "unscored")


def chunk_count(samples: Samples) -> int:
    """Return how many chunks there are."""
    return -(-len(samples.packed) // BRIEFS_A_CHUNK)


def index_of(facts: PageFacts, samples: Samples, names: Mapping[str, str], *, replicates: int) -> dict[str, Any]:
    """Return what is known of every brief without reading a text.

    A brief is `[id, type, held back, gates, cells]`; a cell `[candidate, replicate, score, state]`; types, gates, candidates and
    states are numbers of a place in their lists.
    """
    types: dict[str, int] = {}
    gates: dict[str, int] = {}
    candidates = {name: names.get(name, name) for name in samples.place}
    place = dict(samples.place)
    briefs = []
    for name in samples.packed:
        brief, hit, cells = facts.briefs[name], set[int](), []
        for made in samples.ordered(made for made in samples.rows[name] if made.asked):
            hit |= {gates.setdefault(gate, len(gates)) for gate in made.gates}
            where = place.setdefault(made.candidate, len(place))
            candidates.setdefault(made.candidate, made.candidate)
            value = None if made.score is None else round(made.score, 3)
            cells.append([where, made.replicate, value, _STATES.index(made.state)])
        kind = types.setdefault(brief.content_type, len(types))
        briefs.append([name, kind, int(brief.held_back), sorted(hit), cells])
    return {
        "size": BRIEFS_A_CHUNK,
        "replicates": replicates,
        "types": [[name, type_name(name)] for name in types],
        "gates": list(gates),
        "candidates": list(candidates.values()),
        "competing": len(samples.place),
        "states": list(_STATES),
        "briefs": briefs,
    }


def chunk_of(facts: PageFacts, samples: Samples, number: int) -> bytes:
    """Return one chunk as JSON: `[read, made]`, each with an entry for each brief, in the order of the index.

    Of `read`, `{p, s, f, t}`: prompt, source, facts, and of each cell `[text]` or `[text, error]`. Of `made`, of each cell
    `[gates, dimensions, made]`.

    Raises:
        StoreError: the store refuses.
    """
    return b"[%s,%s]" % _parts_of(facts, samples, number)


def chunk_elements(facts: PageFacts, samples: Samples) -> Iterator[str]:
    """Yield all chunks as elements of the page, one in memory at a time.

    Raises:
        StoreError: the store refuses.
    """
    for number in range(chunk_count(samples)):
        parts = " ".join(_packed(part) for part in _parts_of(facts, samples, number))
        yield f'<script type="text/plain" id="chunk-{number}">{parts}</script>\n'


def packed_index(index: Mapping[str, Any]) -> str:
    """Return the index as it stands on the page."""
    return _packed(_json(index))


def _parts_of(facts: PageFacts, samples: Samples, number: int) -> tuple[bytes, bytes]:
    ids = samples.packed[number * BRIEFS_A_CHUNK : (number + 1) * BRIEFS_A_CHUNK]
    found = samples.read(facts, ids)
    return _json([_read(sample) for sample in found]), _json(
        [[_made(cell) for cell in sample.cells] for sample in found]
    )


def _read(sample: Sample) -> dict[str, Any]:
    texts = [[cell.text] if cell.error is None else [cell.text, cell.error] for cell in sample.cells]
    return {"p": sample.prompt, "s": sample.source, "f": sample.facts, "t": texts}


def _made(cell: Cell) -> list[Any]:
    return [cell.gates, [[name, f"{value:.1f}"] for name, value in cell.dimensions], cell.made]


def _json(found: Any) -> bytes:
    return whole_characters(json.dumps(found, ensure_ascii=False, separators=(",", ":"))).encode()


def _packed(data: bytes) -> str:
    return b64encode(zlib.compress(data, 6)).decode()
