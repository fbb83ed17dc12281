"""The HTML pages in a real browser: small and wide, light and dark, by keyboard, on paper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmigrate.advisories.catalogue import advisories
from dpmigrate.model import MemoryManagerUse, Run, ScanResult
from dpmigrate.report import inventory, render
from dpmigrate.report.style import Style
from tests.browser import Page, browser_path, opened
from tests.report.test_html import ATTACK, hostile

__all__ = ["hostile"]

BROWSER = browser_path()
needs_browser = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("DPMIGRATE_NEEDS_BROWSER"),
    reason="no Chromium here (install one, or name it in DPMIGRATE_BROWSER)",
)
pytestmark = [needs_browser, pytest.mark.xdist_group("browser")]

SHOWN = "[...document.querySelectorAll('article')].filter(a => a.checkVisibility()).map(a => a.dataset.rule)"
SAID = "document.querySelector('#filters output').value"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BROWSER is not None, "DPMIGRATE_NEEDS_BROWSER is set, and there is no Chromium"
    with opened(BROWSER, tmp_path_factory.mktemp("profile")) as opened_page:
        yield opened_page


def show(page: Page, text: str, folder: Path, width: int = 1280) -> None:
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    page.events.clear()
    page.size(width)
    page.media()
    page.open(path)


def pages(result: ScanResult) -> list[str]:
    return [render("html", result, Style()), inventory.render("html", result, Style())]


def press_into(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({selector!r}).focus()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_and_text_stands_off_the_page(
    page: Page, result: ScanResult, tmp_path: Path, width: int, scheme: str
) -> None:
    long_code = result._replace(lines={("train.py", None): tuple("x" * 400 for _ in range(9))})
    for text in [*pages(long_code), *pages(result)]:
        show(page, text, tmp_path, width)
        page.media(scheme=scheme)
        assert page.run("document.documentElement.scrollWidth") <= width
        ratios = page.run(CONTRASTS)
        assert ratios
        assert min(ratios) >= 4.5


def test_the_longest_name_of_a_rule_fits_a_phone(page: Page, result: ScanResult, tmp_path: Path) -> None:
    (first, *_) = result.findings
    every = result._replace(
        findings=tuple(
            first._replace(rule=advisory.id, severity="warning", name=advisory.name)
            for advisory in advisories()
        )
    )
    show(page, render("html", every, Style()), tmp_path, 360)
    assert page.run("document.documentElement.scrollWidth") <= 360


CONTRASTS = """
(() => {
  const light = (rgb) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const out = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || ["SCRIPT", "OPTION"].includes(node.tagName)) continue;
    const [a, b] = [parse(getComputedStyle(node).color), behind(node)].map(light).sort((x, y) => y - x);
    out.push((a + 0.05) / (b + 0.05));
  }
  return out;
})()
"""


def test_filters_narrow_what_is_shown(page: Page, result: ScanResult, tmp_path: Path) -> None:
    show(page, pages(result)[0], tmp_path)
    assert page.run(SHOWN) == ["DPM203", "DPM101", "DPM103"]
    assert page.run(SAID) == "3 of 3 findings shown"
    page.run("document.querySelector('input[value=error]').click()")
    assert page.run(SHOWN) == ["DPM203"]
    page.run("document.querySelector('#filters button[type=reset]').click()")
    page.run("new Promise((done) => setTimeout(done, 20))")
    assert page.run(SHOWN) == ["DPM203", "DPM101", "DPM103"]
    page.run("document.querySelector('input[value=possible]').click()")
    assert page.run(SHOWN) == ["DPM203", "DPM103"]
    page.run("document.querySelector('a[data-rule=DPM103]').click()")
    assert page.run(SHOWN) == ["DPM103"]
    assert page.run(SAID) == "1 of 3 findings shown"
    assert page.run("[...document.querySelectorAll('details.file')].filter(f => !f.hidden).length") == 1


def test_the_page_is_used_by_keyboard_alone(page: Page, result: ScanResult, tmp_path: Path) -> None:
    show(page, pages(result)[0], tmp_path)
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("/", "/")
    assert page.run("document.activeElement.name") == "text"
    for letter in "ipynb":
        page.press(letter, letter)
    assert page.run(SHOWN) == ["DPM203"]
    press_into(page, "input[value=info]")
    page.press(" ", " ")
    assert page.run(SHOWN) == []
    page.press(" ", " ")
    press_into(page, "details.file summary")
    page.press("Enter", "\r")
    assert page.run("document.querySelector('details.file').open") is False
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(outline) == "solid"


def test_paper_gets_all_that_is_not_filtered_out(page: Page, result: ScanResult, tmp_path: Path) -> None:
    show(page, pages(result)[0], tmp_path)
    page.run("document.querySelector('#fold').click()")
    assert page.run(SHOWN) == []
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.media("print", "dark")
    assert page.run(SHOWN) == ["DPM203", "DPM101", "DPM103"]
    assert page.run("document.querySelector('#filters').checkVisibility()") is False
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(SHOWN) == []
    printed = page.ask("Page.printToPDF")["data"]
    assert printed.startswith("JVBERi0")


def test_paper_breaks_paths_between_folders_and_parts_no_heading_from_what_follows(
    page: Page, result: ScanResult, tmp_path: Path
) -> None:
    names = ("criterion-not-passed/train.py", "digits-story/train_hooks.py", "train.py", "a/b-c/d/train.py")
    run = Run("", 121, None, "make_private", ("ghost", "hooks"), "possible", noise_multiplier=1.1)
    runs = tuple(
        run._replace(path=name, accountant="prv", poisson_sampling=True, secure_mode=False, clipping="flat")
        for name in names
    )
    scan_page, inventory_page = pages(result._replace(runs=runs))
    show(page, inventory_page, tmp_path, 720)
    page.media("print")
    whole = """[...document.querySelectorAll(".stack td:first-child")].every((cell) => {
      const last = [...cell.childNodes].filter((node) => node.nodeType === 3).at(-1);
      const range = document.createRange();
      range.selectNodeContents(last);
      return range.getClientRects().length === 1;
    })"""
    assert page.run(whole) is True
    assert page.run("document.documentElement.scrollWidth") <= 720
    show(page, scan_page, tmp_path, 720)
    page.media("print")
    kept = "getComputedStyle(document.querySelector('details.file > summary')).breakAfter"
    assert page.run(kept) == "avoid"


def test_without_a_script_everything_is_shown(page: Page, result: ScanResult, tmp_path: Path) -> None:
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(page, pages(result)[0], tmp_path)
    finally:
        page.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert page.run(SHOWN) == ["DPM203", "DPM101", "DPM103"]
    assert page.run("document.querySelector('#filters').checkVisibility()") is False


def test_nothing_hostile_acts_and_no_network_is_asked(
    page: Page, hostile: ScanResult, tmp_path: Path
) -> None:
    for text in pages(hostile):
        show(page, text, tmp_path)
        page.run(
            "for (const node of document.querySelectorAll('*')) node.dispatchEvent(new Event('mouseover'))"
        )
        told = [event["method"] for event in page.events if "method" in event]
        assert "Page.javascriptDialogOpening" not in told
        assert "Runtime.exceptionThrown" not in told
        assert page.requests() == []
        assert ATTACK in page.run("document.body.textContent")


def test_the_policy_stops_what_would_slip_in(page: Page, result: ScanResult, tmp_path: Path) -> None:
    slipped = "<img src='https://example.invalid/' onerror='acted = 1'><script>acted = 1</script>"
    text = pages(result)[0].replace("<main>", f"<main>{slipped}", 1)
    assert slipped in text
    show(page, text, tmp_path)
    assert page.run("typeof acted") == "undefined"
    assert [
        event
        for event in page.events
        if event.get("method") == "Network.responseReceived"
        and not event["params"]["response"]["url"].startswith("file:")
    ] == []


def test_runs_fold_into_blocks_on_a_phone(page: Page, result: ScanResult, tmp_path: Path) -> None:
    run = Run("train.py", 1, None, "make_private", ("ghost",), "definite", noise_multiplier=1.1)
    text = pages(result._replace(runs=(run,)))[1]
    shape = "getComputedStyle(document.querySelector('table.stack td')).display"
    title = "getComputedStyle(document.querySelector('table.stack td'), '::before').content"
    show(page, text, tmp_path, 360)
    assert (page.run(shape), page.run(title)) == ("flex", '"Run"')
    show(page, text, tmp_path, 1280)
    assert (page.run(shape), page.run(title)) == ("table-cell", "none")


@pytest.mark.parametrize("width", [360, 1280])
def test_long_names_do_not_push_columns_out_of_sight(
    page: Page, result: ScanResult, tmp_path: Path, width: int
) -> None:
    manager = MemoryManagerUse("train.py", 3, "BatchMemoryManager", "possible")
    run = Run(
        "packages/alpha/experiments/accountant_with_a_long_name/train_with_hooks.py",
        1,
        None,
        "make_private_with_epsilon",
        ("ghost", "hooks"),
        "possible",
        batch_memory_manager=manager,
        max_grad_norm=1.0,
        noise_multiplier=1.1,
        target_epsilon=8.0,
        target_delta=1e-5,
        epochs=3,
        accountant="prv",
        poisson_sampling=True,
        secure_mode=False,
        clipping="flat",
    )
    show(page, pages(result._replace(runs=(run,)))[1], tmp_path, width)
    assert page.run("(w => w.scrollWidth <= w.clientWidth)(document.querySelector('.wide'))") is True
