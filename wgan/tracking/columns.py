"""The columns with which MLflow's page opens an experiment, as a shared view: a tag that the page's address names.

MLflow keeps a person's own columns in the browser. A shared view is what its button *Share* stores with the experiment.
"""

from __future__ import annotations

import json

from wgan.mlflow_api.runs import SHARED_VIEW

VIEW_TAG = f"mlflow.sharedViewState.{SHARED_VIEW}"
VERSION_TAG = "wgan.version"
"""Tag of a run: the version that it registered."""
COLUMNS = (
    "attributes.`Created`",
    "attributes.`Duration`",
    "attributes.`User`",
    "attributes.`Dataset`",
    f"tags.`{VERSION_TAG}`",
    "metrics.`evaluation_fid`",
    "metrics.`evaluation_recall`",
    "metrics.`evaluation_coverage`",
    "tags.`wgan.data_digest`",
    "params.`seed`",
)


def view_state() -> str:
    """The tag's value: every run, the newest first, with these columns."""
    return json.dumps(
        {
            "searchFilter": "",
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": list(COLUMNS),
            "columnOrder": [],
            "columnWidths": {},
            "runsExpanded": {},
            "runsPinned": [],
            "runsHidden": [],
            "runsVisibilityMap": {},
            "runsHiddenMode": "FIRST_10_RUNS",
            "viewMaximized": False,
            "runListHidden": False,
            "isAccordionReordered": False,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "groupBy": None,
            "groupsExpanded": {},
            "autoRefreshEnabled": True,
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        }
    )
