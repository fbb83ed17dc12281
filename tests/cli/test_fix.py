"""``dpmigrate fix``: arguments in, diff and exit status out (the rewriting has tests of its own)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from dpmigrate.cli.output import OutputFull
from dpmigrate.model import Finding, Place, Reason
from dpmigrate.runtime.run import api as verifying
from dpmigrate.runtime.run.request import Request
from dpmigrate.workspace.errors import Refused
from tests.cli.conftest import FakeApi, Run, finding

DIFF = "--- train.py\n+++ train.py\n@@ -1 +1 @@\n-a\n+b\n"


@dataclass
class Result:
    """What `api.fix` gives back."""

    diff: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    mended: tuple[Finding, ...] = ()
    unmade: tuple[tuple[Finding, str], ...] = ()
    remaining: tuple[Finding, ...] = ()
    contents: dict[str, bytes] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    warnings: tuple[Place, ...] = ()
    verify_hint: str | None = None
    left_over: tuple[str, ...] = ()
    failure: Exception | None = None
    waiting: tuple[Finding, ...] = ()
    written: list[bool] = field(default_factory=list)
    put_back: list[bool] = field(default_factory=list)

    def write(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.written.append(True)

    def rollback(self) -> None:
        self.put_back.append(True)


@pytest.fixture
def answer(api: FakeApi) -> Callable[[Result], Result]:
    """Let `api.fix` answer with the result given."""

    def set_answer(result: Result) -> Result:
        def fix(paths: tuple[str, ...], **options: Any) -> Result:
            api.calls.append({"paths": paths, **options})
            return result

        api.fix = fix  # type: ignore[attr-defined]
        return result

    return set_answer


def test_nothing_to_change_is_said_and_status_0(run: Run, answer: Callable[[Result], Result]) -> None:
    answer(Result())
    assert run("fix") == (0, "", "Nothing to fix.\n")
    assert run("fix", "--quiet") == (0, "", "")


def test_a_diff_is_the_only_thing_on_standard_output(run: Run, answer: Callable[[Result], Result]) -> None:
    mended = (finding(),)
    answer(
        Result(
            diff=DIFF,
            mended=mended,
            contents={"train.py": b"b"},
            notices=("max_grad_norm is honoured from now on",),
            remaining=(finding(),),
        )
    )
    outcome = run("fix")
    assert (outcome.status, outcome.out) == (1, DIFF)
    assert "max_grad_norm is honoured from now on\n" in outcome.err
    assert outcome.err.endswith("Would fix 1 finding in 1 file; --apply writes it.\n")
    assert "  train.py:1:1: DPM101 [error] ghost clipping under a batch memory manager\n" in outcome.err


@pytest.mark.parametrize("options", [[], ["--apply"]])
def test_a_refused_file_is_status_1(run: Run, answer: Callable[[Result], Result], options: list[str]) -> None:
    answer(Result(refused=(("train.py", "read-only"),)))
    outcome = run("fix", *options)
    assert outcome.status == 1
    assert outcome.err == "not fixed: train.py: read-only\n"


def test_files_that_share_a_reason_are_all_named(run: Run, answer: Callable[[Result], Result]) -> None:
    answer(Result(refused=(("a.py", "dangling link"), ("b.py", "dangling link"))))
    assert run("fix").err == "not fixed: a.py, b.py: dangling link\n"


def test_every_finding_that_is_not_fixed_is_named_with_its_reason(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    one = finding()
    answer(Result(refused=(("train.py", "read-only"),), unmade=((one, "read-only"), (one, "needs --unsafe"))))
    line = "  train.py:1:1: DPM101 [error] ghost clipping under a batch memory manager\n"
    assert run("fix").err == f"not fixed: train.py: read-only\n{line}not fixed: needs --unsafe\n{line}"


def test_mere_information_comes_last_in_a_line(run: Run, answer: Callable[[Result], Result]) -> None:
    info, error = finding("info", rule="DPM203"), finding()
    answer(Result(unmade=((info, "needs --unsafe"), (info, "needs --unsafe"), (error, "no way"))))
    line = "  train.py:1:1: DPM101 [error] ghost clipping under a batch memory manager\n"
    assert (
        run("fix").err == f"not fixed: no way\n{line}DPM203 [info], train.py:1:1 and 1 more: needs --unsafe\n"
    )
    named = run("fix", "--select", "DPM").err
    assert named.count("  train.py:1:1: DPM203 [info]\n") == 2


@pytest.mark.parametrize("place", ["line 3: ", "cell 2, line 3: "])
def test_mere_information_says_its_own_place_alone(
    run: Run, answer: Callable[[Result], Result], place: str
) -> None:
    answer(Result(unmade=((finding("info", rule="DPM203"), Reason("line 7: has no seed", place)),)))
    assert run("fix").err == "DPM203 [info], train.py:1:1: line 7: has no seed\n"


def test_a_line_is_said_with_its_file(run: Run, answer: Callable[[Result], Result]) -> None:
    answer(Result(unmade=((finding(), Reason("no way", "line 7: ")),)))
    assert run("fix").err.startswith("not fixed: train.py: line 7: no way\n")


def test_a_reason_in_another_file_is_said_once(run: Run, answer: Callable[[Result], Result]) -> None:
    pin = finding(rule="DPM901")
    pin = pin._replace(span=pin.span._replace(path="requirements.txt"))
    answer(
        Result(
            refused=(("train.py", "line 4: no"),),
            unmade=((finding(), "line 4: no"), (pin, "train.py: line 4: no")),
        )
    )
    message = "ghost clipping under a batch memory manager"
    assert run("fix").err == (
        "not fixed: train.py: line 4: no\n"
        f"  train.py:1:1: DPM101 [error] {message}\n  requirements.txt:1:1: DPM901 [error] {message}\n"
    )


def test_mere_information_that_nobody_asked_for_is_not_counted_as_refused(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    info = finding("info", rule="DPM203")
    answer(
        Result(diff=DIFF, mended=(finding(),), contents={"train.py": b"b"}, unmade=((info, "line 3: no"),))
    )
    assert "refused" not in run("fix").err


def test_each_file_has_a_line_and_what_is_not_made_is_counted(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    one, held, refused = finding(), finding("info", rule="DPM203"), finding(rule="DPM404")
    contents = {"train.py": b"b", "requirements.txt": b"c"}
    unmade = ((held, "needs --unsafe: seed it"), (refused, "line 3: no"))
    answer(Result(diff=DIFF, mended=(one,), contents=contents, unmade=unmade, waiting=(held,)))
    assert run("fix").err.endswith(
        "would fix requirements.txt: along with the others\nwould fix train.py: DPM101\n"
        "Left as they are: 1 that --unsafe makes, 1 refused, for the reasons above.\n"
        "Would fix 1 finding in 2 files; --apply writes it.\n"
    )


def test_apply_sends_nobody_round_in_circles(run: Run, answer: Callable[[Result], Result]) -> None:
    answer(Result(unmade=((finding(), "read-only"), (finding("info"), "needs --unsafe"))))
    said = "1 finding was left, for the reasons above; another run would say the same.\n"
    assert said not in run("fix").err
    assert run("fix", "--apply").err.endswith(said)


def test_a_reason_that_begins_with_its_file_names_it_once(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    answer(Result(refused=(("setup.cfg", "setup.cfg:3: a cap"),)))
    assert run("fix").err == "not fixed: setup.cfg:3: a cap\n"


def test_apply_says_what_it_wrote_and_how_to_prove_it(run: Run, answer: Callable[[Result], Result]) -> None:
    answer(
        Result(
            diff=DIFF,
            mended=(finding(), finding()),
            contents={"train.py": b"b"},
            remaining=(finding(),),
            verify_hint="dpmigrate verify train.py",
        )
    )
    outcome = run("fix", "--apply")
    assert (outcome.status, outcome.out) == (
        0,
        "fixed train.py\nFixed 2 findings in 1 file.\nProve it: dpmigrate verify train.py\n",
    )
    assert "DPM101" in outcome.err


def test_the_options_arrive(run: Run, answer: Callable[[Result], Result], api: FakeApi) -> None:
    answer(Result())
    run(
        "fix",
        "src",
        "--unsafe",
        "--strategy",
        "hooks",
        "--seed",
        "args.seed",
        "--opacus-lower-bound",
        "1.6.0",
    )
    call = api.calls[0]
    assert (call["paths"], call["unsafe"]) == (("src",), True)
    given = call["settings"].given
    assert (given.strategy, given.seed, given.opacus_lower_bound) == ("hooks", "args.seed", "1.6.0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--verify", "train.py"], "--verify needs --apply"),
        (["--apply", "--verify", ""], "--verify names no script"),
        (["--apply", "--verify", "-- x"], "--verify names no script"),
        (["--apply", "--verify", "train.py 'x"], "no closing quotation"),
        (["-"], "standard input is for scan"),
        (["--strategy", "none"], "'none' is not one of"),
    ],
)
def test_wrong_usage_is_status_2(
    run: Run, answer: Callable[[Result], Result], arguments: list[str], said: str
) -> None:
    answer(Result(diff=DIFF))
    outcome = run("fix", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err


def test_files_that_cannot_be_written_are_said_and_status_1(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    answer(Result(contents={"train.py": b"b"}, failure=Refused("train.py", "no space left on device")))
    outcome = run("fix", "--apply")
    assert (outcome.status, outcome.out) == (1, "")
    assert "not fixed: train.py: no space left on device (nothing was written)\n" in outcome.err


def test_nothing_is_written_where_nobody_reads_what_is_said(
    run: Run, answer: Callable[[Result], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = answer(Result(contents={"train.py": b"b"}, notices=("a notice",)))

    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", gone)
    assert run("fix", "--apply").status == 141
    assert result.written == []


def test_what_was_written_is_said_where_standard_output_takes_no_more(
    run: Run, answer: Callable[[Result], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputFull("standard output: no space left on device")

    answer(Result(diff=DIFF, mended=(finding(),), contents={"train.py": b"b"}))
    monkeypatch.setattr("dpmigrate.cli.fix.emit", full)
    outcome = run("fix", "--apply")
    assert outcome.status == 2
    assert "fixed train.py\nFixed 1 finding in 1 file.\n" in outcome.err


@pytest.mark.parametrize("status", [0, 1, 2])
def test_files_are_put_back_unless_verify_passes(
    run: Run, answer: Callable[[Result], Result], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    asked: list[Request] = []

    def run_request(request: Request) -> verifying.VerifyOutcome:
        asked.append(request)
        return verifying.VerifyOutcome(status, text="the report")

    monkeypatch.setattr(verifying, "run_request", run_request)
    result = answer(Result(diff=DIFF, contents={"train.py": b"b"}))
    outcome = run("fix", "--apply", "--verify", "train.py -- --epochs 2")
    assert outcome.status == status
    assert asked == [Request("script", "train.py", ("--epochs", "2"))]
    assert result.put_back == ([True] if status else [])
    assert "the report" in outcome.out + outcome.err
    assert ("fixed train.py\n" in outcome.out) == (status == 0)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("train.py", Request("script", "train.py")),
        ("train.py --epochs 2", Request("script", "train.py", ("--epochs", "2"))),
        ("train.py -- -- x", Request("script", "train.py", ("--", "x"))),
        ("'a b.py' -- 'c d'", Request("script", "a b.py", ("c d",))),
        ("-m project.train -- --epochs 2", Request("module", "project.train", ("--epochs", "2"))),
    ],
)
def test_verify_takes_what_the_command_of_that_name_takes(
    run: Run,
    answer: Callable[[Result], Result],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    request_: Request,
) -> None:
    asked: list[Request] = []

    def run_request(request: Request) -> verifying.VerifyOutcome:
        asked.append(request)
        return verifying.VerifyOutcome(0)

    monkeypatch.setattr(verifying, "run_request", run_request)
    answer(Result(diff=DIFF, contents={"train.py": b"b"}))
    assert run("fix", "--apply", "--verify", text).status == 0
    assert asked == [request_]


def test_a_diff_has_colour_only_where_it_is_asked_for(
    run: Run, answer: Callable[[Result], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(Result(diff=DIFF))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m+b\x1b[0m\n" in run("fix").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("fix").out == DIFF


def test_what_is_left_comes_with_its_certainty_and_the_edit_by_hand(
    run: Run, answer: Callable[[Result], Result]
) -> None:
    left = finding(certainty="possible")._replace(fix=None, by_hand="train on the other loader")
    answer(Result(remaining=(left,)))
    said = run("fix").err
    assert f"{left.rule} [error, possible] {left.message}\n    by hand: train on the other loader" in said
