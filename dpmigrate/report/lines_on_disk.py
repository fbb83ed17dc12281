"""The source lines of a result that came without them, from the files as they are on disk."""

from __future__ import annotations

import os
import stat

from dpmigrate.model import ScanResult
from dpmigrate.versions.decoding import shown_lines
from dpmigrate.workspace.errors import Unreadable
from dpmigrate.workspace.reading import read_bytes
from dpmigrate.workspace.roots import Roots
from dpmigrate.workspace.source import Source, load_source

_SOURCES = (".py", ".pyi", ".ipynb")


def with_lines(result: ScanResult, cwd: str) -> ScanResult:
    """`result`, whose paths are relative to `cwd`, with the lines for its code frames and fingerprints.

    A file that is not there, or cannot be read, has none.
    """
    findings = [*result.findings, *(held.finding for held in result.suppressed)]
    wanted = {(f.span.path, f.span.cell) for f in findings}
    wanted |= {(p.path, p.cell) for f in findings for p in f.because}
    wanted |= {(n.path, n.cell) for n in result.not_analysed if n.cell is not None}
    sources = {path: _source(path, cwd) for path in sorted({path for path, _ in wanted})}
    lines = {}
    file_lines = {}
    for path, cell in sorted(wanted, key=lambda place: (place[0], -1 if place[1] is None else place[1])):
        source = sources[path]
        held = source.lines(cell) if isinstance(source, Source) else source
        if held:
            lines[path, cell] = tuple(held)
        if isinstance(source, Source) and source.notebook is not None and cell is not None:
            file_lines[path, cell] = source.notebook.text.file_lines(cell)
    return result._replace(lines=lines, file_lines=file_lines, cwd=cwd.replace(os.sep, "/"))


def _source(path: str, cwd: str) -> Source | tuple[str, ...]:
    """A Python file or notebook, or the lines of another file; of what lies outside the project, none."""
    try:
        absolute = os.path.realpath(os.path.join(cwd, path))  # noqa: PTH118
        inside = absolute.startswith(Roots().root_of(os.path.realpath(cwd)).rstrip("/") + "/")
        if not inside or not stat.S_ISREG(os.lstat(absolute).st_mode):
            return ()
        return load_source(absolute, cwd) if path.endswith(_SOURCES) else shown_lines(read_bytes(absolute))
    except (OSError, ValueError, Unreadable):
        return ()
