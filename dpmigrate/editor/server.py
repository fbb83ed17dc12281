"""The language server: what comes in, when to look, what goes out."""

from __future__ import annotations

import asyncio

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from dpmigrate import __version__
from dpmigrate.editor.findings import SAFE, SOURCE, VERIFY, advice, diagnostics, scan_document
from dpmigrate.editor.fixes import ignore, safe_fix
from dpmigrate.workspace.errors import UsageError

DELAY = 0.4
"""Seconds without a change after which a document is looked at."""


class Server(LanguageServer):
    """Scans what is open, a moment after it changed, and keeps what it showed."""

    def __init__(self) -> None:
        super().__init__("dpmigrate", __version__)
        self.shown: dict[str, list[lsp.Diagnostic]] = {}
        self.resolves = False
        """Whether the client asks for a code action's edit when it is chosen."""
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._looking = asyncio.Lock()

    def look_soon(self, uri: str, delay: float = DELAY) -> None:
        """Look at a document after a while without another change."""
        self.forget(uri)
        if not (uri.startswith("file:") and uri.endswith(".py")):
            return
        self._waiting[uri] = asyncio.ensure_future(self._look(uri, delay))

    def forget(self, uri: str) -> None:
        """Do not look at a document after all."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()

    async def _look(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        # One at a time: a scan takes a whole core.
        async with self._looking:
            document = self.workspace.get_text_document(uri)
            version = document.version
            try:
                result = await asyncio.to_thread(scan_document, document)
                found = diagnostics(document, result)
            except UsageError as error:
                self._say(lsp.MessageType.Warning, f"dpmigrate: {error}")
                found = []
            except Exception as error:
                # The text may be anything while somebody types; the next change is looked at again.
                self._say(
                    lsp.MessageType.Error, f"dpmigrate: internal error: {type(error).__name__}: {error}"
                )
                return
        if self.workspace.get_text_document(uri).version != version:
            return
        self.shown[uri] = found
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=uri, version=version, diagnostics=found)
        )

    def _say(self, kind: lsp.MessageType, message: str) -> None:
        self.window_log_message(lsp.LogMessageParams(type=kind, message=message))


server = Server()


@server.feature(lsp.INITIALIZE)
def _initialize(ls: Server, params: lsp.InitializeParams) -> None:
    document = params.capabilities.text_document
    action = document.code_action if document is not None else None
    support = action.resolve_support if action is not None else None
    ls.resolves = support is not None and "edit" in support.properties


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.look_soon(params.text_document.uri, 0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
def _changed(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.look_soon(params.text_document.uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    """What is saved is what the others see from disk: pins, callers, callees."""
    for uri in ls.shown.keys() | {params.text_document.uri}:
        ls.look_soon(uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.forget(uri)
    ls.shown.pop(uri, None)
    ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    page = advice(ls.shown.get(params.text_document.uri, []), params.position)
    return None if page is None else lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, page))


@server.feature(
    lsp.TEXT_DOCUMENT_CODE_ACTION,
    lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix], resolve_provider=True),
)
async def _actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    uri = params.text_document.uri
    document = ls.workspace.get_text_document(uri)
    own = [d for d in params.context.diagnostics if d.source == SOURCE and d.code != VERIFY]
    actions = []
    mended = [(d.code, d.range) for d in ls.shown.get(uri, ()) if d.data == SAFE]
    safe = [d for d in own if (d.code, d.range) in mended]
    if safe:
        action = lsp.CodeAction(
            title="dpmigrate: apply the safe fixes of this file, and raise the pins that they need",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=safe,
            is_preferred=True,
            data=uri,
        )
        actions.append(action if ls.resolves else await _resolved(ls, action))
    actions += [
        lsp.CodeAction(
            title=f"dpmigrate: ignore {d.code} on this line",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[d],
            edit=ignore(document, d.range.start.line, str(d.code)),
        )
        for d in own
    ]
    return actions


@server.feature(lsp.CODE_ACTION_RESOLVE)
async def _resolved(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    document = ls.workspace.get_text_document(str(action.data))
    action.edit = await asyncio.to_thread(safe_fix, ls.workspace, document)
    return action
