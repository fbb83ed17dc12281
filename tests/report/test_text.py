"""``--format text``: what a person reads."""

from __future__ import annotations

import pytest

from dpmigrate.model import CutShort, Finding, Place, ScanResult, Span
from dpmigrate.report import render
from dpmigrate.report.layout import width_of
from dpmigrate.report.style import Style
from dpmigrate.report.text import same_words


def text(result: ScanResult, **style: object) -> str:
    return render("text", result, Style(**style))  # type: ignore[arg-type]


def test_no_finding_is_said_in_three_lines(empty: ScanResult) -> None:
    assert text(empty) == (
        "3 files seen, 0 analysed (none has to do with Opacus), 0 not analysed\n"
        "No private training run\nNo findings\n"
    )


def test_without_colour_there_is_no_escape(result: ScanResult) -> None:
    assert "\x1b" not in text(result)
    assert "\x1b" not in text(result, width=60)


def test_a_finding_has_place_level_frame_reasons_and_fix(result: ScanResult) -> None:
    assert """\
train.py:5:7: DPM101 [error, possible] ghost clipping under BatchMemoryManager with Opacus 1.5.2
   |
 4 | def train():
 5 |     with BatchMemoryManager(data_loader=loader, max_physical_batch_size=32,
   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
 6 |                             optimizer=optimizer) as physical:
  because train.py:2: args.mode may be 'ghost'
            | parser.add_argument("--mode", default="ghost")
          requirements.txt:4: opacus==1.5.2
  fix [safe]: pass criterion=, take four results, require opacus>=1.5.4
""" in text(result)


def test_files_that_the_paths_leave_out_are_not_said_to_be_without_opacus(result: ScanResult) -> None:
    assert "(the rest is without Opacus, or not below the paths given)" in text(result._replace(in_part=True))


def test_carets_stand_under_the_fault_after_tabs_and_wide_characters(result: ScanResult) -> None:
    lines = text(result).splitlines()
    at = next(i for i, line in enumerate(lines) if "F.cross_entropy" in line)
    code, carets = lines[at], lines[at + 1]
    before = code[: code.index("F.cross_entropy")]
    assert width_of(carets[: carets.index("^")]) == width_of(before)
    assert carets.count("^") == len("F.cross_entropy(model(x), y).backward()")


def test_the_summary_counts_files_runs_by_mode_and_findings_by_rule(result: ScanResult) -> None:
    assert text(result).endswith(
        """\
812 files seen, 9 analysed (the rest is without Opacus), 1 not analysed
2 private training runs: 1 hooks, 1 ghost or unknown (1 with a batch memory manager)
3 findings: 2 errors, 1 info
  DPM101  ghost-batch-memory-manager     1
  DPM103  unwrapped-loss                 1
  DPM203  unseeded-run                   1
1 safe fix on offer: dpmigrate fix shows the changes, --apply writes them
1 unsafe fix on offer: dpmigrate fix --unsafe
Why, with measured figures: dpmigrate explain DPM101
"""
    )


def test_the_spellings_of_ghost_are_one_kind_and_rare_mixes_are_counted_together(result: ScanResult) -> None:
    modes = [
        ("ghost",),
        ("ghost_fsdp",),
        ("ghost", "ghost_fsdp"),
        ("hooks",),
        ("ew",),
        ("functorch",),
        ("?",),
        ("ghost", "hooks"),
        ("ghost", "ew"),
        ("hooks", "ew"),
        ("hooks", "ew", "functorch"),
        ("hooks", "?"),
    ]
    runs = tuple(result.runs[1]._replace(mode=mode) for mode in modes)
    assert "\n12 private training runs: 3 ghost, 1 hooks, 2 other, 1 unknown, 1 ghost or hooks, " in text(
        result._replace(runs=runs)
    )
    assert "1 ghost or other, 3 in 2 other mixes of these\n" in text(result._replace(runs=runs))


def test_what_was_cut_short_is_told_only_where_a_run_can_be_missing(result: ScanResult) -> None:
    nothing_lost = CutShort("tables.py", "main", private=False)
    assert "in part" not in text(result._replace(cut_short=(nothing_lost,)))
    cut = (nothing_lost, *(CutShort(f"train{n}.py", "") for n in range(5)))
    shown = text(result._replace(cut_short=cut))
    assert "Followed only in part, being long: train0.py, train1.py, train2.py and 2 more. A private" in shown


def test_a_place_in_a_notebook_names_the_cell(result: ScanResult) -> None:
    assert "study.ipynb cell 3 line 1:1: DPM203 [info] no seed at all" in text(result)


def test_a_file_that_was_not_analysed_is_named_with_its_reason(result: ScanResult) -> None:
    assert "broken.py:3: not analysed: syntax error: invalid syntax\n" in text(result)


def test_runs_are_listed_when_asked_for(result: ScanResult) -> None:
    listed = text(result, runs=True)
    assert "  baseline.py:9  make_private, hooks, any Opacus\n" in listed
    assert (
        "  train.py:4  make_private, ghost or unknown, BatchMemoryManager at train.py:5, Opacus ==1.5.2\n"
        in listed
    )


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_is_wider_than_the_terminal_where_words_allow(result: ScanResult, width: int) -> None:
    long = result.findings[0]._replace(message="every word of this is short " * 8)
    shown = text(result._replace(findings=(*result.findings, long)), width=width)
    frames = [line for line in shown.splitlines() if " | " in line or "^" in line or "every word" in line]
    assert frames
    assert max(width_of(line) for line in frames) <= width


@pytest.mark.parametrize(("width", "longest"), [(60, 60), (None, 420)])
def test_a_long_line_is_cut_around_the_fault(width: int | None, longest: int) -> None:
    code = "x = 1; " * 60 + "bad()" + "; y = 2" * 60_000
    span = Span("long.py", 1, 421, 1, 426)
    finding = Finding("DPM103", "unwrapped-loss", span, "error", "privacy", "definite", "here")
    lines = {("long.py", None): (code,)}
    shown = text(ScanResult(".", 1, 1, findings=(finding,), lines=lines), width=width)
    assert max(map(len, shown.splitlines())) <= longest
    code_line, carets = shown.splitlines()[2:4]
    at = carets.index("^")
    assert code_line[at : at + 5] == "bad()"
    assert carets.count("^") == 5
    assert code_line.count("…") == 2


def test_repeated_findings_of_one_rule_in_one_file_take_a_line_each(result: ScanResult) -> None:
    many = tuple(
        result.findings[0]._replace(span=Span("train.py", 7, column, 7, column + 1))
        for column in range(3, 11)
    )
    shown = text(result._replace(findings=many))
    assert shown.count("DPM103 [error]") == 8
    assert shown.count("^") == 3


def test_the_same_reasons_are_given_once(result: ScanResult) -> None:
    first = result.findings[1]
    second = first._replace(span=Span("other.py", 1, 1, 1, 2))
    shown = text(result._replace(findings=(first, second)))
    assert shown.count("args.mode may be 'ghost'") == 1
    assert "because the same as for other.py:1:1" in shown


def test_a_file_cannot_drive_the_terminal(result: ScanResult) -> None:
    hostile = result.findings[0]._replace(
        message="red \x1b[31m",
        span=Span("train.py", 1, 1, 1, 2),
        because=(Place("a\x1b.py", 1, "\x1b[2J"),),
    )
    shown = text(result._replace(findings=(hostile,), lines={("train.py", None): ("x = '\x1b[2J\u202e'",)}))
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_an_unknown_line_has_no_frame_and_no_error(result: ScanResult) -> None:
    shown = text(result._replace(lines={}))
    assert "train.py:7:16: DPM103 [error]" in shown
    assert "^" not in shown


def test_several_reasons_at_one_place_are_one(result: ScanResult) -> None:
    reasons = (Place("train.py", 2, "ghost mode"), Place("train.py", 2, "a private run"))
    shown = text(result._replace(findings=(result.findings[1]._replace(because=(*reasons, reasons[0])),)))
    assert "  because train.py:2: ghost mode; a private run\n" in shown
    assert shown.count("parser.add_argument") == 1


def test_a_line_of_the_frame_is_not_shown_twice(result: ScanResult) -> None:
    reasons = (Place("train.py", 4, "in this function"),)
    shown = text(result._replace(findings=(result.findings[1]._replace(because=reasons),)))
    assert "  because train.py:4: in this function\n  fix" in shown


def test_the_worst_rule_is_the_one_to_read_about(result: ScanResult) -> None:
    unused = result.findings[2]._replace(rule="DPM001")
    assert text(result._replace(findings=(unused, *result.findings[:2]))).endswith("explain DPM101\n")


@pytest.mark.parametrize(
    ("code", "text", "same"),
    [
        ("grad_sample_mode='ghost',", "mode 'ghost' is written here", False),
        ('- "opacus==1.5.2"  # why', "opacus==1.5.2", True),
        ("opacus==1.5.2,", "opacus==1.5.2", True),
        ("x = 1", "", False),
    ],
)
def test_a_line_is_shown_where_it_says_more_than_the_reason(code: str, text: str, same: bool) -> None:
    assert same_words(code, text) is same
