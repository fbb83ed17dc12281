"""The hooks of pre-commit and the language server in hostile folders: nothing of them runs there either."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from tests.opacus_releases import CHECKOUT
from tests.safety.test_nothing_runs import TRAPS, git, tree, watched

__all__ = ["tree"]

DECLARED = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
HOOKS = {hook["id"]: hook["entry"].split()[1:] for hook in DECLARED}
PATTERN: str = DECLARED[0]["files"]
SECONDS = 120

trapped = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
Trap = Callable[[Path, Path], None]


def files_of(tree: Path) -> list[str]:
    """What pre-commit hands to the hooks when everything is committed: their files, and no links."""
    wanted = re.compile(PATTERN)
    names = (
        str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
    )
    return sorted(name for name in names if not name.startswith(".git/") and wanted.search(name))


@trapped
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_starts_no_program_and_opens_nothing_outside(tree: Path, trap: Trap, hook: str) -> None:
    mark = tree.parent / "mark"
    trap(tree, mark)
    lines = watched(tree, *HOOKS[hook], *files_of(tree))
    assert [line for line in lines if not line.startswith("exit")] == []
    assert lines[-1] in {"dpmigrate": ("exit 1",), "dpmigrate-fix": ("exit 0", "exit 1")}[hook]
    assert not mark.exists()


async def talk(tree: Path, log: Path) -> tuple[list[lsp.Diagnostic], list[lsp.CodeAction]]:
    """Open every file of a folder in the watched server, type, hover, take the fixes, save and close."""
    script = CHECKOUT / "tests" / "safety" / "watched.py"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "COV", "PYTEST"))}
    environment["XDG_CACHE_HOME"] = str(tree.parent / "cache")
    client = LanguageClient("tests", "1")
    published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
    client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: published.put_nowait(params))
    client.feature(lsp.WINDOW_LOG_MESSAGE)(lambda params: None)
    await client.start_io(sys.executable, str(script), str(log), "server", cwd=tree, env=environment)
    await client.initialize_async(
        lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), root_uri=tree.as_uri())
    )
    client.initialized(lsp.InitializedParams())
    diagnostics: list[lsp.Diagnostic] = []
    actions: list[lsp.CodeAction] = []
    # A link out of the folder that somebody opens is a file of the project that it leads to.
    for path in sorted(path for path in tree.rglob("*.py") if not path.is_symlink()):
        uri, text = path.as_uri(), (tree / "train.py").read_text(encoding="utf-8")
        item = lsp.TextDocumentItem(uri=uri, language_id="python", version=1, text=text)
        client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        shown = (await asyncio.wait_for(published.get(), SECONDS)).diagnostics
        diagnostics += shown
        document = lsp.TextDocumentIdentifier(uri)
        if shown:
            await client.text_document_hover_async(lsp.HoverParams(document, shown[0].range.start))
            context = lsp.CodeActionContext(shown)
            asked = lsp.CodeActionParams(document, shown[0].range, context)
            answer: Any = await client.text_document_code_action_async(asked)
            actions += answer or []
        client.text_document_did_save(lsp.DidSaveTextDocumentParams(document))
        await asyncio.wait_for(published.get(), SECONDS)
        client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))
        await asyncio.wait_for(published.get(), SECONDS)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return diagnostics, actions


@trapped
def test_the_server_starts_no_program_and_opens_nothing_outside(tree: Path, trap: Trap) -> None:
    mark, log = tree.parent / "mark", tree.parent / "log"
    trap(tree, mark)
    shown, actions = asyncio.run(asyncio.wait_for(talk(tree, log), SECONDS * 2))
    assert "DPM101" in {d.code for d in shown}, "the server looked at the folder"
    assert any("safe fixes" in action.title and action.edit is not None for action in actions)
    assert [line for line in log.read_text().splitlines() if not line.startswith("exit")] == []
    assert not mark.exists()


def test_the_watch_sees_what_git_would_start(tree: Path) -> None:
    """The traps are real: git itself, asked for the files, starts what the folder names."""
    from tests.safety.test_nothing_runs import programs

    mark = tree.parent / "mark"
    git(tree, "add", "-A")
    programs(tree, mark)
    git(tree, "status", "--porcelain")
    assert mark.exists()
