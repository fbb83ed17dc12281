"""Report formats: one module each, loaded when it is asked for.

A format is a module with ``render(result: ScanResult, style: Style) -> str``; its entry in `FORMATS` is
all that ``--format`` needs. A format knows no rule: what it prints comes from the findings.

``text``, ``concise``, ``html``   for people
``json_``, ``sarif``, ``github``, ``gitlab``, ``junit``   for machines
``inventory``    the private runs alone, in formats of their own; ``run_columns`` what is said of each
``style``, ``layout``, ``frame``   colour and width; columns, wrapping, harmless text; lines with carets
``rooted``       paths from the root of the repository
``merging``, ``reading``, ``checked``, ``lines_on_disk``   reports of parts, read back and joined
``advisory``, ``verification``   the pages of ``explain``, and the reports of ``verify``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dpmigrate.model import ScanResult
    from dpmigrate.report.style import Style

FORMATS = {
    "text": "dpmigrate.report.text",
    "json": "dpmigrate.report.json_",
    "sarif": "dpmigrate.report.sarif",
    "github": "dpmigrate.report.github",
    "gitlab": "dpmigrate.report.gitlab",
    "junit": "dpmigrate.report.junit",
    "concise": "dpmigrate.report.concise",
    "html": "dpmigrate.report.html",
}
"""What ``--format`` takes, and the module that renders it."""


def render(name: str, result: ScanResult, style: Style) -> str:
    """`result` in the format `name`, ending with a newline unless it is empty.

    `style` says whether the text may have colour and how wide it may be; formats for machines take
    no notice of it. Raises KeyError for a name that is not in `FORMATS`.
    """
    return cast(str, import_module(FORMATS[name]).render(result, style))
