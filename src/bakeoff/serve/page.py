"""The status page at `/`: which model serves what, why, and how each one is. One page of HTML without a script.

Names come from people and from other machines: everything is escaped, and the page's policy lets nothing run or load but its
own style.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bakeoff.core.plain import printable
from bakeoff.core.records import Estimate
from bakeoff.core.units import seconds_text
from bakeoff.serve.alerting import Notice
from bakeoff.serve.listing import Snapshot, state_of
from bakeoff.serve.memory_text import committed_text, held_text
from bakeoff.serve.plan import PREFIX, ServedRoute, ServingPlan
from bakeoff.serve.router import GENERAL

_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .3rem}p{margin:.3rem 0}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 18%,transparent)}th{font-weight:600}"
    "td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}code{font:13px ui-monospace,monospace}"
    ".dim{opacity:.7}.ready{color:#1a7f37}.failed,.open{color:#c62828}@media(prefers-color-scheme:dark){.ready{color:#5fd07a}"
    ".failed,.open{color:#ff8a80}}"
)
_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
REFRESH_S = 5
_LINKS = " · ".join(
    f'<a href="{path}">{path}</a>' for path in ("/v1/models", "/status", "/alerts", "/metrics", "/health")
)


def status_page(
    plan: ServingPlan,
    snapshot: Snapshot,
    address: str,
    alerts: Sequence[Notice] = (),
    streams: Sequence[Mapping[str, Any]] = (),
    config: Mapping[str, Any] | None = None,
) -> str:
    """Return the page; `alerts` are those that fire, `streams` the grades that are watched (`QualityWatch.snapshot`).

    `config` says whether the settings in force are those written last (`ConfigState.snapshot`).
    """
    source = "no run: routes as configured" if plan.run_id is None else f"run {plan.run_id}, suite {plan.suite or '-'}"
    routes = {**plan.routes, GENERAL: plan.general}
    names = ("request this model", "served by", "score", "how sure", "stands in")
    models = ("model", "state", "breaker", "in use", "waiting", "memory held", "load", "last error")
    memory = f"{committed_text(snapshot.get('memory') or {})} committed"
    several = len(snapshot.get("memory") or {}) > 1
    body = [
        "<h1>bakeoff serve</h1>",
        f"<p><code>{_text(address)}/v1</code> · {_text(source)} · {_text(memory)}</p>",
        *_config(config or {}),
        *(["<h2>What is wrong</h2>", *map(_alert, alerts)] if alerts else ["<p class=ready>No alert fires.</p>"]),
        "<h2>Routes</h2>",
        _table(names, (_route_row(plan, name, route) for name, route in routes.items()), numbers={2}),
        f"<p class=dim>{PREFIX}auto finds the content type itself; metadata.content_type says it.</p>",
        "<h2>Models</h2>",
        _table(
            models,
            (_model_row(model.id, state_of(snapshot, model.id), several=several) for model in plan.models),
            numbers={3, 4, 5, 6},
        ),
        *_quality(streams),
        f"<p class=dim>{_LINKS}</p>",
    ]
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content={REFRESH_S}>"
        f'<meta name=viewport content="width=device-width"><title>bakeoff serve</title><style>{_STYLE}</style>'
    )
    return f"{head}<body>{''.join(body)}</body></html>"


def _alert(notice: Notice) -> str:
    return f"<p><b class=failed>{_text(notice.severity)}</b> {_text(notice.summary)} <span class=dim>{_text(notice.advice)}</span></p>"


def _config(config: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of settings that are not in force."""
    said = []
    if config.get("refused"):
        since = _text(config["in_force_since"][:19].replace("T", " "))
        said.append(
            f"<p><b class=failed>new settings refused</b> {_text(config['refused'])} "
            f"<span class=dim>In force are those read at {since}.</span></p>"
        )
    if config.get("needs_restart"):
        said.append(f"<p><b>after a restart</b> {_text(', '.join(config['needs_restart']))}</p>")
    return said


def _quality(streams: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the grades of answers beside the run's; nothing where none is watched or graded yet."""
    rows = [
        (
            _text(each["candidate"]),
            _text(each["content_type"]),
            _text(each["measure"]),
            _text(each["grades"]),
            f"{each['recent']:.2f}",
            f"{each['reference']:.2f} (at least {each['reference_low']:.2f})",
            _marked("failed" if each["dropped"] else "ready", "dropped" if each["dropped"] else "no drop seen"),
        )
        for each in streams
        if each["recent"] is not None
    ]
    names = ("model", "content type", "graded by", "answers", "last 100", "in the run", "")
    return ["<h2>Quality of answers, 0 to 1</h2>", _table(names, rows, numbers={3, 4, 5})] if rows else []


def _route_row(plan: ServingPlan, name: str, route: ServedRoute) -> Sequence[str]:
    evidence = route.evidence
    return (
        f"<code>{_text(PREFIX + name)}</code>",
        _text(route.candidate),
        _text(_score(evidence)),
        _text(route.how_sure),
        _text(", ".join(route.fallbacks) or "-") if plan.models else "-",
    )


def _model_row(model: str, state: Mapping[str, Any], *, several: bool) -> Sequence[str]:
    breaker = state.get("breaker")
    breaker_state = breaker.get("state", "-") if isinstance(breaker, Mapping) else "-"
    return (
        _text(model),
        _marked(str(state.get("state", "-"))),
        _marked(str(breaker_state)),
        _text(state.get("leases", "-")),
        _text(state.get("waiting", "-")),
        _text(held_text(state.get("memory") or {}, several=several)),
        _text(seconds_text(state.get("last_load_s"))),
        _text(state.get("last_error") or "-"),
    )


def _score(evidence: Estimate | None) -> str:
    if evidence is None or evidence.estimate is None:
        return "-"
    between = "" if evidence.low is None else f" [{evidence.low:.1f}, {evidence.high:.1f}]"
    return f"{evidence.estimate:.2f}{between}"


def _marked(state: str, said: str | None = None) -> str:
    return f'<span class="{_text(state)}">{_text(said or state)}</span>'


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    def cells(kind: str, values: Sequence[str]) -> str:
        marks = (" class=n" if place in numbers else "" for place in range(len(values)))
        return "".join(f"<{kind}{mark}>{value}</{kind}>" for value, mark in zip(values, marks, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{cells('th', names)}</tr>{body}</table></div>"


def _text(value: object) -> str:
    return escape(printable(str(value)))
