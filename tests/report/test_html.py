"""The HTML pages as text: whole, self-contained, and harmless whatever the project holds."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from dpmigrate.model import NotAnalysed, Place, Run, ScanResult, Span, Suppressed
from dpmigrate.report import inventory, render
from dpmigrate.report.html.page import text
from dpmigrate.report.style import Style

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='alert(1)"
VOID = {"meta", "input", "img", "br", "wbr"}


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects what there is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def scan_page(result: ScanResult) -> str:
    return render("html", result, Style())


@pytest.fixture
def hostile(result: ScanResult) -> ScanResult:
    """The same result with an attack in every text that a project can decide."""
    finding = result.findings[1]._replace(
        span=Span(ATTACK, 1, 1, 1, 2),
        message=ATTACK,
        because=(Place(ATTACK, 1, f"`{ATTACK}`"),),
    )
    return result._replace(
        findings=(finding,),
        runs=(
            Run(ATTACK, 1, None, "make_private", (ATTACK,), "definite", noise_multiplier=ATTACK),
            *result.runs,
        ),
        not_analysed=(NotAnalysed(ATTACK, 1, ATTACK),),
        lines={(ATTACK, None): (ATTACK,)},
    )


def pages(result: ScanResult) -> list[str]:
    return [scan_page(result), inventory.render("html", result, Style())]


def test_the_pages_are_whole(result: ScanResult, empty: ScanResult) -> None:
    for given in (result, empty):
        for page in pages(given):
            assert page.startswith("<!doctype html>\n")
            assert read(page).tags[0] == ("html", {"lang": "en"})


def test_the_same_result_gives_the_same_bytes(result: ScanResult) -> None:
    assert pages(result) == pages(result)


def test_nothing_is_loaded_from_elsewhere(result: ScanResult) -> None:
    for page in pages(result):
        for tag, attributes in read(page).tags:
            assert tag not in ("link", "img", "iframe", "object", "embed", "base")
            assert not {"src", "srcset", "action", "style"} & attributes.keys()
            assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in page
        assert "@import" not in page


def test_only_the_page_s_own_style_and_script_may_act(result: ScanResult) -> None:
    for page in pages(result):
        policy = next(a["content"] for t, a in read(page).tags if "http-equiv" in a)
        assert policy is not None and policy.startswith("default-src 'none'; ")
        for tag in ("style", "script"):
            (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy


def test_what_a_project_holds_is_text(hostile: ScanResult, result: ScanResult) -> None:
    for page, harmless in zip(pages(hostile), pages(result), strict=True):
        reader = read(page)
        kinds = {tag for tag, _ in reader.tags}
        assert kinds <= {tag for tag, _ in read(harmless).tags} | {"ul", "li", "wbr"}
        assert [tag for tag, _ in reader.tags].count("script") == 1
        assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
        assert any("<img src=x onerror=alert(1)>" in words for words in reader.words)


def test_control_characters_and_turned_text_are_shown() -> None:
    assert text("a\x00b\u202ec\x1b") == "a␀b\\u202ec␛"


def test_a_manager_reads_the_verdict_first(result: ScanResult, empty: ScanResult) -> None:
    assert "The privacy guarantee does not hold as reported: 1 place." in scan_page(result)
    possible = result._replace(findings=result.findings[1:])
    assert "The privacy guarantee may not hold: 1 place to look at." in scan_page(possible)
    assert "No private training run." in scan_page(empty)
    failed = empty._replace(not_analysed=result.not_analysed)
    assert "Nothing was found, but not every file could be analysed." in scan_page(failed)
    clean = empty._replace(runs=result.runs)
    assert "Nothing known to be wrong was found." in scan_page(clean)


def test_findings_stand_by_file_with_their_code_and_reasons(result: ScanResult) -> None:
    words = "".join(read(scan_page(result)).words)
    assert (
        words.index("study.ipynb cell 3 line 1:1")
        < words.index("train.py:5:7")
        < words.index("train.py:7:16")
    )
    assert "with BatchMemoryManager(" in words
    assert "requirements.txt:4: opacus==1.5.2" in words
    assert "pass criterion=, take four results" in words


def test_the_lines_at_fault_are_marked(result: ScanResult) -> None:
    page = scan_page(result)
    assert '<span class="line at"><span class="number">5</span>' in page
    assert '<span class="line"><span class="number">4</span>' in page


def test_reasons_at_one_place_are_one(result: ScanResult) -> None:
    first, *_ = result.findings
    here = Place("train.py", 3, "said first"), Place("train.py", 3, "said second")
    page = render("html", result._replace(findings=(first._replace(because=here),)), Style())
    assert "said first; said second" in page
    assert page.count("<li><code>train.py:3</code>") == 1


def test_what_is_suppressed_is_counted(result: ScanResult) -> None:
    assert "suppressed</li>" not in render("html", result, Style())
    first, *rest = result.findings
    held = result._replace(findings=tuple(rest), suppressed=(Suppressed(first, "baseline"),))
    assert "<b>1</b> suppressed</li>" in render("html", held, Style())
