"""What is open in an editor, as the file that it stands for: a Python file, or a notebook with its cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument, Workspace


@dataclass(frozen=True)
class Opened:
    """A file as it is in the editor.

    ``uri`` is that of the document or the notebook, ``cells`` the documents of a notebook's cells, in
    order, those without code among them; ``cells`` is None for a file that is no notebook.
    """

    uri: str
    path: Path
    version: int | None
    data: bytes
    document: TextDocument
    cells: tuple[TextDocument, ...] | None = None

    def part(self, cell: int | None) -> TextDocument | None:
        """The document that a place is in, by the index of its cell; None where there is none."""
        if self.cells is None or cell is None:
            return self.document if self.cells is None else None
        return self.cells[cell] if cell < len(self.cells) else None

    @property
    def uris(self) -> list[str]:
        """The documents that findings can be shown in."""
        return [self.document.uri] if self.cells is None else [cell.uri for cell in self.cells]


def opened(workspace: Workspace, uri: str) -> Opened | None:
    """The file behind the URI of a document, a notebook, or a cell; None for what is no file of Python."""
    notebook = workspace.get_notebook_document(notebook_uri=uri)
    notebook = notebook or workspace.get_notebook_document(cell_uri=uri)
    if notebook is not None:
        return _notebook(workspace, notebook)
    if not (uri.startswith("file:") and uri.endswith(".py")):
        return None
    document = workspace.get_text_document(uri)
    data = document.source.encode("utf-8", "surrogatepass")
    return Opened(uri, Path(document.path), document.version, data, document)


def all_opened(workspace: Workspace) -> dict[str, bytes]:
    """The contents of everything that is open, by absolute path; cells belong to their notebooks."""
    notebooks = workspace.notebook_documents.values()
    opened_notebooks = [
        whole for notebook in notebooks if (whole := _notebook(workspace, notebook)) is not None
    ]
    cells = {uri for whole in opened_notebooks for uri in whole.uris}
    contents = {
        str(Path(document.path).resolve()): document.source.encode("utf-8", "surrogatepass")
        for document in workspace.text_documents.values()
        if document.uri not in cells and document.uri.startswith("file:")
    }
    return contents | {str(whole.path.resolve()): whole.data for whole in opened_notebooks}


def _notebook(workspace: Workspace, notebook: lsp.NotebookDocument) -> Opened | None:
    path = to_fs_path(notebook.uri)
    if path is None or not notebook.uri.startswith("file:"):
        return None
    cells = tuple(_cell(workspace, cell.document) for cell in notebook.cells)
    document = workspace.get_text_document(notebook.uri)
    data = _json_of([cell.kind for cell in notebook.cells], cells)
    return Opened(notebook.uri, Path(path), notebook.version, data, document, cells)


def _cell(workspace: Workspace, uri: str) -> TextDocument:
    """The document of a cell; empty where the client has not sent it, which would be read from disk."""
    document = workspace.get_text_document(uri)
    is_sent = workspace.get_notebook_document(cell_uri=uri) is not None
    return document if is_sent else TextDocument(uri, source="")


def _json_of(kinds: list[lsp.NotebookCellKind], cells: tuple[TextDocument, ...]) -> bytes:
    """A notebook with these cells, and none of what else the file on disk may hold."""
    written = [
        {
            "cell_type": "code" if kind == lsp.NotebookCellKind.Code else "markdown",
            "metadata": {"vscode": {"languageId": cell.language_id or "python"}},
            "source": cell.source,
        }
        for kind, cell in zip(kinds, cells, strict=True)
    ]
    # A lone surrogate, which somebody's keyboard may bring, is escaped.
    return json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode("ascii")
