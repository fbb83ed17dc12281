"""Pages of the site that are written elsewhere: the advisories, the measured tables, CONTRIBUTING, CHANGELOG.

A hook of mkdocs. Links of the sources to files of the repository are turned into links to their pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from dpmigrate.advisories.catalogue import Advisory, advisories

ROOT = Path(__file__).resolve().parent.parent
COPIED = {
    "measured.md": "tests/runtime/MATRIX.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    pages = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIED.items()}
    pages["advisories/index.md"] = _index()
    pages |= {f"advisories/{advisory.id}.md": _page(advisory) for advisory in advisories()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: object, config: MkDocsConfig, files: Files) -> str:
    """Links to the repository's files, as links to their pages."""
    at_home = re.sub(r"\]\((?:\.\./)*rules/(DPM\d+)[\w-]*\.md\)", r"](advisories/\1.md)", markdown)
    at_home = re.sub(r"\]\((?:\.\./)*docs/([\w-]+\.md)", r"](\1", at_home)
    return re.sub(r"\]\((?:\.\./)*README\.md(?:#[\w-]*)?\)", "](index.md)", at_home)


def _index() -> str:
    rows = [
        f"| [{a.id}]({a.id}.md) `{a.name}` | {a.severity} | `{a.affected or 'all'}` | {a.summary} |"
        for a in advisories()
    ]
    head = "| rule | severity | Opacus | what |\n|---|---|---|---|\n"
    return "# Advisories\n\n" + head + "\n".join(rows) + "\n"


def _page(advisory: Advisory) -> str:
    fix = advisory.fix.applicability + (f": {advisory.fix.summary}" if advisory.fix.summary else "")
    # One fact a line, so that a phone shows all of it.
    return (
        f"# {advisory.id} {advisory.name}\n\n{advisory.summary}.\n\n"
        f"- Severity: {advisory.severity}, impact: {advisory.impact}\n"
        f"- Opacus: `{advisory.affected or 'all'}`\n"
        f"- Fix: {fix}\n\n"
        f"{advisory.body.strip()}\n"
    )
