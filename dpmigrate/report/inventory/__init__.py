"""The inventory of a project's private training runs, for an audit: one module for each format.

``comparing``    what differs between a record that was committed and the code as it is
``differing``    what it found, in each of the formats
``table``, ``json_``, ``csv_``, ``markdown``, ``html``   the formats, all but JSON of `run_columns`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dpmigrate.model import ScanResult
    from dpmigrate.report.style import Style

FORMATS = {
    "table": "dpmigrate.report.inventory.table",
    "json": "dpmigrate.report.inventory.json_",
    "csv": "dpmigrate.report.inventory.csv_",
    "markdown": "dpmigrate.report.inventory.markdown",
    "html": "dpmigrate.report.inventory.html",
}
"""What ``inventory --format`` takes, and the module that renders it."""


def render(name: str, result: ScanResult, style: Style) -> str:
    """The runs of `result` in the format `name`. Raises KeyError for a name that is not in `FORMATS`."""
    return cast(str, import_module(FORMATS[name]).render(result, style))
