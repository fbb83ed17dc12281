"""``inventory --format json``: the runs of ``scan --format json``, without its findings."""

from __future__ import annotations

import json

from dpmigrate.model import ScanResult
from dpmigrate.report import json_
from dpmigrate.report.style import Style


def render(result: ScanResult, style: Style) -> str:
    """One JSON object in ASCII, which ``--check`` reads back. Nothing depends on `style`."""
    document = json_.json_document(result)
    del document["findings"], document["suppressed"], document["elsewhere"]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
