"""How the list of runs is shown in MLflow's pages: which columns, in which order. Its own list shows no metric at all.

MLflow keeps a view that somebody shares as a tag of the experiment, and opens it by its key (seen in MLflow 3.17; pages that do
not know it show their usual list).
"""

from __future__ import annotations

import json

from bakeoff.report.tracked import RUN_TAG

KEY = "bakeoff"
TAG = f"mlflow.sharedViewState.{KEY}"
COLUMNS = (
    "tags.`verdict`",
    "metrics.`quality/mean`",
    "metrics.`quality/low`",
    "metrics.`quality/high`",
    "metrics.`quality/over_baseline`",
    "metrics.`quality/publishable`",
    "metrics.`latency/p50_ms`",
    "metrics.`latency/tok_s`",
    "metrics.`memory/peak_gib`",
    f"tags.`{RUN_TAG}`",
)
_WIDTHS = {"tags.`verdict`": 200, f"tags.`{RUN_TAG}`": 180}
"""Pixels, of columns that hold words."""


def view_state() -> str:
    """Return the view as MLflow's pages read it."""
    shown: dict[str, object] = {
        "selectedColumns": COLUMNS,
        "columnOrder": COLUMNS,
        "columnWidths": _WIDTHS,
        "viewMaximized": False,
    }
    runs: dict[str, object] = {
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "groupBy": None,
        "groupsExpanded": {},
    }
    charts: dict[str, object] = {
        "runsHiddenMode": "FIRST_20_RUNS",
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    search: dict[str, object] = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
    return json.dumps(shown | runs | charts | search)


def view_path(experiment_id: str) -> str:
    """Return where the view is, below a server's address."""
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"
