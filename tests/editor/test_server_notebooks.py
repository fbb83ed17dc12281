"""Notebooks in ``dpmigrate server``, opened, typed in, mended and closed cell by cell by a real client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.editor.test_server import Editor, applied, rules, speak
from tests.scan.programs import right, wrong

INSTALL = "!pip install opacus==1.5.4\n"
KINDS = {"markdown": lsp.NotebookCellKind.Markup}


class Notebook:
    """A notebook in an editor: its cells by the name of their language and their text."""

    def __init__(self, path: Path, *cells: tuple[str, str]) -> None:
        self.uri = path.as_uri()
        self.version = 1
        self.texts = {
            f"{self.uri.replace('file:', 'vscode-notebook-cell:')}#{i}": c for i, c in enumerate(cells)
        }

    @property
    def uris(self) -> list[str]:
        return list(self.texts)

    def items(self) -> list[lsp.TextDocumentItem]:
        return [
            lsp.TextDocumentItem(uri=uri, language_id=language, version=1, text=text)
            for uri, (language, text) in self.texts.items()
        ]

    def opens(self, editor: Editor) -> None:
        cells = [
            lsp.NotebookCell(kind=KINDS.get(language, lsp.NotebookCellKind.Code), document=uri)
            for uri, (language, _) in self.texts.items()
        ]
        whole = lsp.NotebookDocument(self.uri, "jupyter-notebook", self.version, cells)
        editor.notebook_document_did_open(lsp.DidOpenNotebookDocumentParams(whole, self.items()))

    def types(self, editor: Editor, uri: str, text: str) -> None:
        self.version += 1
        content = lsp.NotebookDocumentCellContentChanges(
            lsp.VersionedTextDocumentIdentifier(self.version, uri),
            [lsp.TextDocumentContentChangeWholeDocument(text)],
        )
        self.changes(editor, lsp.NotebookDocumentCellChanges(text_content=[content]))

    def changes(self, editor: Editor, cells: lsp.NotebookDocumentCellChanges) -> None:
        editor.notebook_document_did_change(
            lsp.DidChangeNotebookDocumentParams(
                lsp.VersionedNotebookDocumentIdentifier(self.version, self.uri),
                lsp.NotebookDocumentChangeEvent(cells=cells),
            )
        )

    def closes(self, editor: Editor) -> None:
        cells = [lsp.TextDocumentIdentifier(uri) for uri in self.uris]
        whole = lsp.NotebookDocumentIdentifier(self.uri)
        editor.notebook_document_did_close(lsp.DidCloseNotebookDocumentParams(whole, cells))


async def shown(editor: Editor, count: int) -> dict[str, list[lsp.Diagnostic]]:
    """What is shown in so many documents, by URI."""
    published = [await editor.shown() for _ in range(count)]
    return {params.uri: list(params.diagnostics) for params in published}


def codes(found: list[lsp.Diagnostic]) -> list[object]:
    return rules(lsp.PublishDiagnosticsParams("", found))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A right notebook on disk, in a project of its own."""
    (tmp_path / ".git").mkdir()
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"source": INSTALL}, cell | {"source": right()}]
    notebook = tmp_path / "train.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return notebook


def test_findings_stand_in_their_cells_as_they_are_typed(path: Path) -> None:
    notebook = Notebook(path, ("markdown", "# import opacus"), ("python", INSTALL), ("python", right()))

    async def talk(editor: Editor) -> None:
        notebook.opens(editor)
        title, install, training = notebook.uris
        first = await shown(editor, 3)
        assert {uri: codes(found) for uri, found in first.items()} == {
            title: [],
            install: [],
            training: ["verify"],
        }
        assert "dpmigrate verify train.ipynb" in first[training][0].message
        notebook.types(editor, training, "import os\n" + wrong())
        notebook.types(editor, training, "\n" + wrong())
        now = await shown(editor, 3)
        assert codes(now[training]) == ["verify", "DPM103"]
        found = now[training][-1]
        line = ("\n" + wrong()).splitlines()[found.range.start.line]
        assert line[found.range.start.character : found.range.end.character].startswith("loss.backward")
        assert {r.location.uri for r in found.related_information or ()} <= {install, training}
        notebook.types(editor, install, "!pip install opacus==1.5.2\n")
        now = await shown(editor, 3)
        assert codes(now[install]) == ["DPM902"]
        hover = await editor.text_document_hover_async(
            lsp.HoverParams(lsp.TextDocumentIdentifier(install), now[install][-1].range.start)
        )
        assert hover is not None and isinstance(hover.contents, lsp.MarkupContent)
        assert hover.contents.value.startswith("# DPM902")
        notebook.closes(editor)
        assert {uri: codes(found) for uri, found in (await shown(editor, 3)).items()} == {
            uri: [] for uri in notebook.uris
        }
        assert editor.published.empty()
        assert editor.logged == []

    speak(path, talk)


def test_a_safe_fix_mends_the_cells(path: Path) -> None:
    notebook = Notebook(path, ("python", INSTALL), ("markdown", "not saved"), ("python", wrong()))

    async def talk(editor: Editor) -> None:
        before = path.read_bytes()
        notebook.opens(editor)
        training = notebook.uris[2]
        found = (await shown(editor, 3))[training]
        answer = await editor.text_document_code_action_async(
            lsp.CodeActionParams(
                lsp.TextDocumentIdentifier(training), found[0].range, lsp.CodeActionContext(found)
            )
        )
        fix = next(a for a in answer or [] if isinstance(a, lsp.CodeAction) and a.is_preferred)
        fix = await editor.code_action_resolve_async(fix)
        assert fix.edit is not None and fix.edit.document_changes is not None
        (change,) = fix.edit.document_changes
        assert isinstance(change, lsp.TextDocumentEdit)
        assert change.text_document.uri == training
        text = applied(wrong(), [e for e in change.edits if isinstance(e, lsp.TextEdit)])
        assert "criterion(model(x), y)" in text
        notebook.types(editor, training, text)
        assert codes((await shown(editor, 3))[training]) == ["verify"]
        assert path.read_bytes() == before, "the editor writes, not the server"

    speak(path, talk)


def test_cells_come_and_go(path: Path) -> None:
    notebook = Notebook(path, ("python", INSTALL), ("python", wrong()))

    async def talk(editor: Editor) -> None:
        notebook.opens(editor)
        install, training = notebook.uris
        assert codes((await shown(editor, 2))[training]) == ["verify", "DPM103"]
        notebook.version += 1
        array = lsp.NotebookCellArrayChange(start=0, delete_count=1)
        gone = [lsp.TextDocumentIdentifier(install)]
        structure = lsp.NotebookDocumentCellChangeStructure(array, did_close=gone)
        notebook.changes(editor, lsp.NotebookDocumentCellChanges(structure=structure))
        assert await shown(editor, 1) == {install: []}
        assert codes((await shown(editor, 1))[training]) == ["verify", "DPM103"]
        notebook.types(editor, training, "%%bash\necho make_private opacus\n")
        assert codes((await shown(editor, 1))[training]) == []

    speak(path, talk)


def test_what_a_notebook_imports_may_be_open_as_well(path: Path) -> None:
    helper = path.with_name("helper.py")
    helper.write_text(wrong(), encoding="utf-8")
    notebook = Notebook(path, ("python", "import opacus\nfrom helper import train\ntrain(None)\n"))

    async def talk(editor: Editor) -> None:
        notebook.opens(editor)
        assert codes((await shown(editor, 1))[notebook.uris[0]]) == []
        editor.opens(helper, wrong())
        params = await editor.shown()
        assert params.uri == helper.as_uri()
        assert "DPM103" in rules(params)
        fix = next(a for a in await editor.actions(helper, list(params.diagnostics)) if a.is_preferred)
        fix = await editor.code_action_resolve_async(fix)
        assert fix.edit is not None and fix.edit.document_changes is not None
        assert [c.text_document.uri for c in fix.edit.document_changes] == [helper.as_uri()]

    speak(path, talk)
