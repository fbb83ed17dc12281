"""The documents: the site builds without a link that leads nowhere, and every command in them is one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from dpmigrate.cli import group
from tests.opacus_releases import CHECKOUT

PAGES = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")])
COMMAND = re.compile(r"^(?:\$ )?(?:pipx run --spec \S+ |uvx --from \S+ )?(dpmigrate(?: .*)?)$")


def commands(page: Path) -> list[str]:
    """Every command line of dpmigrate in a block of shell or in the middle of a sentence."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(dpmigrate [a-z][^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [found[1] for line in lines if (found := COMMAND.match(line))]


def words_of(line: str) -> list[str]:
    words = shlex.split(line.replace("\\", ""), comments=True)[1:]
    return words[
        : next((i for i, word in enumerate(words) if word in ("|", "<", ">", "&&", "||", ";")), None)
    ]


def test_there_are_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_documented_command_is_one(page: Path) -> None:
    for line in commands(page):
        words = words_of(line)
        context = click.Context(group, info_name="dpmigrate")
        if not words or words[0].startswith("-"):
            continue
        command = group.get_command(context, words[0])
        assert command is not None, line
        try:
            command.make_context(words[0], words[1:], parent=context).close()
        except click.exceptions.Exit:
            pass
        except click.MissingParameter:
            assert len(words) == 1, f"{line}: only a command that is merely named lacks arguments"
        except click.ClickException as error:
            pytest.fail(f"{page.name}: {line}: {error.format_message()}")


@pytest.mark.skipif(find_spec("material") is None, reason="mkdocs-material is not installed (make docs does)")
def test_the_site_builds_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for page in ("index", "refused", "measured", "advisories/DPM101", "editors"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
