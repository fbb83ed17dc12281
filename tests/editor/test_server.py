"""``dpmigrate server`` with a real client of the protocol, over standard input and output."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from tests.cli.conftest import Run as CommandLine
from tests.cli.conftest import run
from tests.scan.programs import right, wrong

__all__ = ["run"]

SECONDS = 120


class Editor(LanguageClient):
    """A client that keeps what the server shows."""

    def __init__(self) -> None:
        super().__init__("tests", "1")
        self.published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
        self.logged: list[str] = []

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _published(params: lsp.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params)

        @self.feature(lsp.WINDOW_LOG_MESSAGE)
        def _logged(params: lsp.LogMessageParams) -> None:
            self.logged.append(params.message)

    async def begin(self, folder: Path, resolves: bool = True) -> None:
        await self.start_io(sys.executable, "-m", "dpmigrate", "server")
        resolve = lsp.ClientCodeActionResolveOptions(properties=["edit"]) if resolves else None
        action = lsp.CodeActionClientCapabilities(resolve_support=resolve)
        await self.initialize_async(
            lsp.InitializeParams(
                capabilities=lsp.ClientCapabilities(
                    text_document=lsp.TextDocumentClientCapabilities(code_action=action)
                ),
                root_uri=folder.as_uri(),
            )
        )
        self.initialized(lsp.InitializedParams())

    async def end(self) -> None:
        await self.shutdown_async(None)
        self.exit(None)
        await self.stop()

    def opens(self, path: Path, text: str) -> None:
        item = lsp.TextDocumentItem(uri=path.as_uri(), language_id="python", version=1, text=text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def types(self, path: Path, text: str, version: int) -> None:
        self.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(uri=path.as_uri(), version=version),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def shown(self) -> lsp.PublishDiagnosticsParams:
        return await asyncio.wait_for(self.published.get(), SECONDS)

    async def actions(self, path: Path, shown: list[lsp.Diagnostic]) -> list[lsp.CodeAction]:
        answer = await self.text_document_code_action_async(
            lsp.CodeActionParams(
                lsp.TextDocumentIdentifier(path.as_uri()), shown[0].range, lsp.CodeActionContext(shown)
            )
        )
        return [action for action in answer or [] if isinstance(action, lsp.CodeAction)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A right training script on disk, in a project of its own."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "requirements.txt").write_text("opacus==1.5.4\n", encoding="utf-8")
    script = tmp_path / "train.py"
    script.write_text(right(), encoding="utf-8")
    return script


def speak(path: Path, talk: Callable[[Editor], Awaitable[None]], resolves: bool = True) -> None:
    async def session() -> None:
        editor = Editor()
        await editor.begin(path.parent, resolves)
        try:
            await talk(editor)
        finally:
            await editor.end()

    asyncio.run(asyncio.wait_for(session(), SECONDS * 2))


def rules(params: lsp.PublishDiagnosticsParams) -> list[object]:
    return [d.code for d in params.diagnostics]


def test_what_is_right_on_disk_and_wrong_in_the_editor_is_shown_as_it_is_typed(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, right())
        first = await editor.shown()
        assert rules(first) == ["verify"]
        assert first.diagnostics[0].severity == lsp.DiagnosticSeverity.Hint
        assert "dpmigrate verify train.py" in first.diagnostics[0].message
        for version in range(2, 8):
            editor.types(path, wrong() + "#" * version, version)
        params = await editor.shown()
        assert params.version == 7, "only the last of quick changes is looked at"
        assert rules(params) == ["verify", "DPM103"], "of one line the last is shown"
        found = params.diagnostics[-1]
        assert found.severity == lsp.DiagnosticSeverity.Error
        line = wrong().splitlines()[found.range.start.line]
        assert line[found.range.start.character : found.range.end.character].startswith("loss.backward")
        assert found.related_information
        editor.types(path, right(), 8)
        assert rules(await editor.shown()) == ["verify"]
        editor.text_document_did_close(
            lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(path.as_uri()))
        )
        assert rules(await editor.shown()) == []
        assert editor.published.empty()
        assert editor.logged == []

    speak(path, talk)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("$(touch here).py", "`dpmigrate verify '$(touch here).py'`"),
        ("-n.py", "`dpmigrate verify ./-n.py`"),
        ("a\x1b[2J\u202e\n.py", "`dpmigrate verify 'a␛[2J\\u202e␊.py'`"),
    ],
)
def test_a_name_is_said_as_it_can_be_typed(path: Path, name: str, said: str) -> None:
    async def talk(editor: Editor) -> None:
        odd = path.with_name(name)
        odd.write_text(right(), encoding="utf-8")
        editor.opens(odd, right())
        assert said in (await editor.shown()).diagnostics[0].message

    speak(path, talk)


def test_it_ends_without_an_error_when_it_is_told_to(path: Path) -> None:
    def message(**fields: object) -> bytes:
        text = json.dumps({"jsonrpc": "2.0", **fields}).encode()
        return b"Content-Length: %d\r\n\r\n%b" % (len(text), text)

    said = [
        message(id=1, method="initialize", params={"processId": None, "rootUri": None, "capabilities": {}}),
        message(method="initialized", params={}),
        message(id=2, method="shutdown"),
        message(method="exit"),
    ]
    command = [sys.executable, "-m", "dpmigrate", "server"]
    done = subprocess.run(command, input=b"".join(said), capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_text_that_is_no_python_yet_is_no_end(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, wrong() + "def (:\n")
        assert "DPM000" in rules(await editor.shown())
        editor.types(path, wrong(), 2)
        assert "DPM103" in rules(await editor.shown())

    speak(path, talk)


def test_columns_count_as_the_protocol_counts(path: Path) -> None:
    text = wrong().replace("        loss.backward()", "        '\N{GRINNING FACE}'; loss.backward()")

    async def talk(editor: Editor) -> None:
        editor.opens(path, text)
        found = next(d for d in (await editor.shown()).diagnostics if d.code == "DPM103")
        assert found.range.start.character == 8 + len("'xx'; "), "UTF-16 code units"

    speak(path, talk)


def test_the_advisory_is_under_the_pointer(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, wrong())
        found = next(d for d in (await editor.shown()).diagnostics if d.code == "DPM103")
        document = lsp.TextDocumentIdentifier(path.as_uri())
        hover = await editor.text_document_hover_async(lsp.HoverParams(document, found.range.start))
        assert hover is not None and isinstance(hover.contents, lsp.MarkupContent)
        assert hover.contents.value.startswith("# DPM103 unwrapped-loss")
        assert await editor.text_document_hover_async(lsp.HoverParams(document, lsp.Position(0, 0))) is None

    speak(path, talk)


def applied(text: str, edits: list[lsp.TextEdit]) -> str:
    """A text after edits of whole lines, or at one point."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda e: e.range.start, reverse=True):
        first, last = edit.range.start, edit.range.end
        if first.character == last.character == 0:
            lines[first.line : last.line] = [edit.new_text]
        else:
            line = lines[first.line]
            lines[first.line] = line[: first.character] + edit.new_text + line[last.character :]
    return "".join(lines)


@pytest.mark.parametrize("resolves", [True, False])
def test_a_safe_fix_mends_what_is_in_the_editor(path: Path, resolves: bool) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, "# not saved\n" + wrong())
        shown = (await editor.shown()).diagnostics
        fix = next(a for a in await editor.actions(path, list(shown)) if a.is_preferred)
        assert (fix.edit is None) is resolves
        if resolves:
            fix = await editor.code_action_resolve_async(fix)
        assert fix.edit is not None and fix.edit.document_changes is not None
        (change,) = fix.edit.document_changes
        assert isinstance(change, lsp.TextDocumentEdit)
        assert (change.text_document.uri, change.text_document.version) == (path.as_uri(), 1)
        text = applied("# not saved\n" + wrong(), [e for e in change.edits if isinstance(e, lsp.TextEdit)])
        assert text.startswith("# not saved\n")
        assert "criterion(model(x), y)" in text
        editor.types(path, text, 2)
        assert rules(await editor.shown()) == ["verify"]
        assert path.read_text(encoding="utf-8") == right(), "the editor writes, not the server"

    speak(path, talk, resolves)


def test_a_line_may_be_left_alone(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, wrong())
        shown = (await editor.shown()).diagnostics
        leave = next(
            a for a in await editor.actions(path, list(shown)) if a.title.endswith("DPM103 on this line")
        )
        assert leave.edit is not None and leave.edit.changes is not None
        editor.types(path, applied(wrong(), list(leave.edit.changes[path.as_uri()])), 2)
        assert rules(await editor.shown()) == ["verify"]

    speak(path, talk)


def test_what_is_saved_elsewhere_is_seen(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        editor.opens(path, wrong())
        assert rules(await editor.shown()) == ["verify", "DPM103"]
        config = path.with_name("pyproject.toml")
        config.write_text('[tool.dpmigrate]\nignore = ["DPM103"]\n', encoding="utf-8")
        document = lsp.TextDocumentIdentifier(config.as_uri())
        editor.text_document_did_save(lsp.DidSaveTextDocumentParams(document))
        assert rules(await editor.shown()) == ["verify"]

    speak(path, talk)


def test_a_wrong_configuration_is_told_and_is_no_end(path: Path) -> None:
    async def talk(editor: Editor) -> None:
        config = path.with_name("pyproject.toml")
        config.write_text("[tool.dpmigrate]\nselct = []\n", encoding="utf-8")
        editor.opens(path, wrong())
        assert rules(await editor.shown()) == []
        assert "selct" in editor.logged[0]
        config.unlink()
        editor.types(path, wrong() + "\n", 2)
        assert "DPM103" in rules(await editor.shown())

    speak(path, talk)


def test_without_pygls_it_says_what_to_install(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dpmigrate.editor")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("pygls", "lsprotocol"):
        monkeypatch.setitem(sys.modules, name, None)
    outcome = run("server")
    assert outcome == (2, "", "dpmigrate: the server needs pygls: pip install 'pygls>=2,<3'.\n")
