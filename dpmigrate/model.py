"""The few data types that every part of dpmigrate speaks.

They mirror ``scan --format json`` one to one (schema 1), and name the checks of ``verify``. They know no
LibCST node, no rule and no output format, so that importing them costs nothing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

Tri = bool | None
"""Three-valued truth: True, False, or None for "cannot be known"."""

Certainty = Literal["definite", "possible"]
Severity = Literal["error", "warning", "info"]
Impact = Literal["privacy", "utility", "reproducibility", "api", "none"]
Applicability = Literal["safe", "unsafe"]
Strategy = Literal["upgrade", "set-to-none", "patch", "hooks"]
"""What a fix does about ghost clipping under a batch memory manager."""
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

CheckName = Literal[
    "parity-clipped-sum",
    "parity-norms",
    "parity-step",
    "sensitivity",
    "noise-std",
    "noise-fresh",
    "reproducible",
    "private-loader",
    "private-step",
    "accounting",
    "logical-batches",
    "audit",
]

CHECK_NAMES: tuple[CheckName, ...] = tuple(name for name in get_args(CheckName) if name != "audit")
"""The checks that are made unless others are asked for; ``audit`` is only made where it is."""


NOT_ANALYSED = "DPM000"
"""The rule under which a file that could not be analysed is reported; every other rule is data."""


def both(*values: Tri) -> Tri:
    """Kleene conjunction: False if any is False, else None if any is None, else True."""
    if any(v is False for v in values):
        return False
    return None if any(v is None for v in values) else True


def either(*values: Tri) -> Tri:
    """Kleene disjunction: True if any is True, else None if any is None, else False."""
    if any(v is True for v in values):
        return True
    return None if any(v is None for v in values) else False


def negated(value: Tri) -> Tri:
    """Kleene negation."""
    return None if value is None else not value


class Place(NamedTuple):
    """A line in a file, with a few words on what is there.

    ``path`` is POSIX, relative to the current folder; ``line`` is 1-based and counts inside
    ``cell`` (0-based) where the file is a notebook.
    """

    path: str
    line: int
    text: str = ""
    cell: int | None = None

    @property
    def shown(self) -> str:
        """File and line as people read them, with the cell of a notebook."""
        inside = "" if self.cell is None else f" cell {self.cell + 1} line "
        return f"{self.path}{inside or ':'}{self.line}"

    def seen_from(self, here: Place) -> str:
        """The line in words for whoever reads of it at another place, with file or cell where they differ."""
        if self.path != here.path:
            return f"{self.path}:{self.line}"
        return (
            f"line {self.line}"
            if self.cell == here.cell
            else f"line {self.line} of cell {(self.cell or 0) + 1}"
        )


class Span(NamedTuple):
    """A stretch of text, 1-based in lines and columns as editors show, end column exclusive."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None


class MemoryManagerUse(NamedTuple):
    """The batch memory manager that a run's optimizer or loader reaches."""

    path: str
    line: int
    kind: Literal["BatchMemoryManager", "wrap_data_loader", "signal_skip_step"]
    certainty: Certainty
    cell: int | None = None


class OpacusVersions(NamedTuple):
    """The Opacus versions that a run can meet: a PEP 440 specifier, or None for nothing known."""

    spec: str | None = None
    sources: tuple[Place, ...] = ()


Loss = Literal["returned-criterion", "two-pass", "other", "mixed", "unknown"]
"""What makes the losses that go backward."""
Seeding = Literal["none", "seeded", "unseeded", "entropy", "unknown"]
"""How a generator is seeded; "entropy" is by ``.seed()`` or the operating system."""

Scalar = str | float | bool | None
Setting = Scalar | tuple[Scalar, ...]
"""What a run is asked for: the value; several in order, where it can be one of them; ``UNKNOWN``; or None
where it does not apply."""
UNKNOWN = "?"


class Run(NamedTuple):
    """One private training run, as reported (the RUN object of the JSON schema).

    ``noise_multiplier`` is sigma, in units of ``max_grad_norm``; ``epochs`` counts passes over the data.
    """

    path: str
    line: int
    cell: int | None
    call: Literal["make_private", "make_private_with_epsilon", "manual"]
    mode: tuple[str, ...]
    mode_certainty: Certainty
    mode_because: tuple[Place, ...] = ()
    batch_memory_manager: MemoryManagerUse | None = None
    zero_grad_set_to_none: Tri = None
    criterion_passed: Tri = None
    noise_multiplier: Setting = UNKNOWN
    max_grad_norm: Setting = UNKNOWN
    target_epsilon: Setting = None
    target_delta: Setting = None
    epochs: Setting = None
    accountant: Setting = UNKNOWN
    poisson_sampling: Setting = UNKNOWN
    secure_mode: Setting = UNKNOWN
    clipping: Setting = UNKNOWN
    unpack: tuple[int, ...] = ()
    loss: Loss = "unknown"
    noise_generator: Seeding = "none"
    loader_generator: Seeding = "none"
    global_seed: Tri = None
    opacus: OpacusVersions = OpacusVersions()


class FixOffer(NamedTuple):
    """What ``dpmigrate fix`` would do about a finding."""

    applicability: Applicability
    summary: str


FindingKey = tuple[str, Span]
"""The rule of a finding and where it stands, which are the same in every analysis of the same bytes."""


class Finding(NamedTuple):
    """One advisory that applies to one place (the FINDING object of the JSON schema)."""

    rule: str
    name: str
    span: Span
    severity: Severity
    impact: Impact
    certainty: Certainty
    message: str
    because: tuple[Place, ...] = ()
    run: int | None = None
    fix: FixOffer | None = None
    by_hand: str | None = None
    """What to change where no fix is on offer, in one line."""
    run_elsewhere: Place | None = None
    """Where its run is made, by which call, if the given paths leave that out; ``run`` is then None."""

    @property
    def key(self) -> FindingKey:
        """What tells it from all others of one scan."""
        return self.rule, self.span

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Order of findings in every report: path, cell, line, column, rule."""
        s = self.span
        return (s.path, -1 if s.cell is None else s.cell, s.line, s.column, self.rule, self.message)


SuppressedBy = Literal["comment", "baseline", "configuration"]


class Suppressed(NamedTuple):
    """A finding that is not reported, and what keeps it from that."""

    finding: Finding
    by: SuppressedBy


class NotAnalysed(NamedTuple):
    """A file that should have been analysed and could not be."""

    path: str
    line: int
    reason: str
    cell: int | None = None

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Order in every report: path, cell, line, reason."""
        return (self.path, -1 if self.cell is None else self.cell, self.line, self.reason)


class CutShort(NamedTuple):
    """An entry into the program that was not followed to its end: a run beyond it may be missing."""

    path: str
    entry: str
    """``Class.method``, a function, or empty for a module's top level."""
    private: bool = True
    """Whether its module, or one that it imports, makes private runs at all: else none can be missing."""


class ScanResult(NamedTuple):
    """Everything that one scan found; what each report format is given."""

    root: str
    files_seen: int
    files_analysed: int
    not_analysed: tuple[NotAnalysed, ...] = ()
    cut_short: tuple[CutShort, ...] = ()
    runs: tuple[Run, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    warnings: tuple[Place, ...] = ()
    """What was passed over, such as an ignore pattern without meaning."""
    lines: Mapping[tuple[str, int | None], tuple[str, ...]] = MappingProxyType({})
    """Source lines of every file (or notebook cell) that is named by a finding, for code frames."""
    analysed: tuple[str, ...] = ()
    """The source files that were analysed, also those that the given paths leave out."""
    empty: bool = False
    """Whether no Python file, notebook or dependency file is below the given paths."""
    in_part: bool = False
    """Whether the given paths leave out files of the project, which is read whole for what they hold."""
    gone: tuple[str, ...] = ()
    """What a baseline holds and is found no more, in words."""
    unchanged: int = 0
    """How many findings are left out since they stand on lines that did not change (``--diff-base``)."""
    cwd: str = "/"
    """The current folder, absolute: what paths are relative to."""
    file_lines: Mapping[tuple[str, int], tuple[int, ...]] = MappingProxyType({})
    """For each line of a notebook's cell (by path and cell) that ``lines`` has, its line in the file."""

    def from_root(self, path: str) -> str:
        """A path as reports show it, relative to ``root`` in place of the current folder."""
        if path == "-":
            return path
        return posixpath.relpath(posixpath.join(self.cwd, path), posixpath.join(self.cwd, self.root))

    def file_line(self, path: str, cell: int | None, line: int) -> int:
        """The line of the file for a line as reports count it: that of a cell begins anew in each."""
        lines = self.file_lines.get((path, cell), ()) if cell is not None else ()
        if cell is None or not lines:
            return max(line, 1)
        return lines[min(max(line, 1), len(lines)) - 1]


class Reason(str):
    """Why something is not done: ``words``, after the ``place`` in the code that says so."""

    __slots__ = ("place", "words")
    place: str
    words: str

    def __new__(cls, words: str, place: str = "") -> Reason:
        made = super().__new__(cls, place + words)
        made.place, made.words = place, words
        return made
