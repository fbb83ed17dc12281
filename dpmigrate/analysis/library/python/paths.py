"""Paths and texts put together of what is not known: the same wherever they are made of the same parts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, External, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Entry, Value, merge_entries, of
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import OF_CONSTANTS
from dpmigrate.analysis.registry import CallInfo, function, method

_PATH, _TEXT, _FOUND = "path", "text", "files that are there"
MAX_PIECES, MAX_DEPTH = 12, 4
"""Beyond them a path is what it is at its place alone."""


def put_together(parts: Iterable[Value], kind: str = _TEXT) -> Value:
    """A text or a path of parts; empty where one of them is neither a constant nor unknown."""
    given = tuple(frozenset(part.atoms) for part in parts)
    plain = all(
        isinstance(a, (Const, Unknown)) and not getattr(a, "parts", None) for part in given for a in part
    )
    if not given or not plain or any(_depth(a) > MAX_DEPTH for part in given for a in part):
        return NOTHING
    return of(Unknown((kind, *given), f"a {kind}", never_none=True))


def _depth(atom: object) -> int:
    """How often parts were put together to what is a part again."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    if not isinstance(symbol, tuple) or symbol[:1] not in ((_PATH,), (_TEXT,)):
        return 0
    return 1 + max(_depth(a) for part in symbol[1:] for a in part)


@function("<text of parts>")
def _text(ip: Interpreter, info: CallInfo) -> Value:
    """``f"{folder}/epoch_{epoch}.pt"``."""
    *parts, result = info.positional
    return _known_by_parts(result, put_together(parts))


def _known_by_parts(result: Value, made: Value) -> Value:
    """A result, of which what is not known goes by the parts that it is made of."""
    unknown = [e for e in result.entries if isinstance(e.atom, Unknown)]
    if not made or not unknown or any(_is_of_more(e.atom) for e in unknown):
        return NOTHING
    return merge_entries(e if e not in unknown else e._replace(atom=made.atoms[0]) for e in result.entries)


def _is_of_more(atom: object) -> bool:
    """Whether more is known of something unknown: batches in it, or that it is worked out of constants."""
    return isinstance(atom, Unknown) and (bool(atom.parts) or atom.reason == OF_CONSTANTS)


@function("os.path.join")
def _path_of_parts(ip: Interpreter, info: CallInfo) -> Value:
    """A path below something unknown."""
    made = NOTHING if info.unknown_positional else put_together(info.positional, _PATH)
    return made or ip.unknown(info.node, "a path")


@function("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath")
def _path(ip: Interpreter, info: CallInfo) -> Value:
    made = NOTHING if info.unknown_positional else put_together(info.positional, _PATH)
    return made or unknown_call(ip, External(info.name), info)


@method("unknown", "expanduser", "resolve", "absolute", "as_posix")
def _same_path(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return Value((e,)) if _is_path(e.atom) else unknown_call(ip, e.atom, info)


@method("unknown", "joinpath")
def _below(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    made = put_together([of(e.atom), *info.positional], _PATH) if _is_path(e.atom) else NOTHING
    return made or unknown_call(ip, e.atom, info)


@function("<arithmetic>")
def _computed(ip: Interpreter, info: CallInfo) -> Value:
    """``folder / "last.pt"``, ``folder + "/last.pt"``."""
    left, right, result = info.positional
    if info.name == "Divide" and any(map(_is_path, (left.only, right.only))):
        return _known_by_parts(result, put_together([left, right], _PATH))
    if info.name == "Add" and any(
        isinstance(a, Const) and isinstance(a.value, str) for a in (left.only, right.only)
    ):
        return _known_by_parts(result, put_together([left, right]))
    return NOTHING


@function("glob.glob", "glob.iglob", "os.listdir", "os.scandir")
def _files(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(0, "pathname") or info.argument(0, "path")
    return _found(ip, [given, *([] if "glob" in info.name else [of(Const("*"))])], info)


@method("unknown", "glob", "rglob", "iterdir")
def _files_below(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if not _is_path(e.atom):
        return unknown_call(ip, e.atom, info)
    return _found(ip, [of(e.atom), info.argument(0, "pattern") or of(Const("*"))], info)


def _found(ip: Interpreter, parts: list[Value], info: CallInfo) -> Value:
    given = tuple(frozenset(part.atoms) for part in parts)
    if not all(isinstance(a, (Const, Unknown)) for part in given for a in part):
        return ip.unknown(info.node, "files")
    below = info.name.rpartition(".")[2] in ("listdir", "scandir")
    return of(Unknown((_FOUND, below, *given), "files"))


def _is_path(atom: object) -> bool:
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    return isinstance(symbol, tuple) and symbol[:1] == (_PATH,)


def one_of_the_files(given: Value) -> bool:
    """Whether something is files that were looked up, of which one may be taken."""
    return any(isinstance(a, Unknown) and _is_found(_looked_up(a.symbol)) for a in given.atoms)


def _looked_up(symbol: Hashable) -> Hashable:
    """What a part of files that were looked up belongs to."""
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return symbol


def _is_found(symbol: Hashable) -> bool:
    return isinstance(symbol, tuple) and symbol[:1] == (_FOUND,)


def pieces_of(path: Hashable) -> tuple[Hashable, ...]:
    """The texts that a path is made of in order, those that run on joined, and symbols of what is unknown.

    A text of a pattern (``glob``) has its ``*``; so has what a folder was found to hold.
    """
    joined: list[Hashable] = []
    for piece in _pieces(path):
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined[:MAX_PIECES])


def _pieces(path: Hashable) -> Iterator[Hashable]:
    if isinstance(path, Const):
        yield str(path.value)
        return
    if isinstance(path, frozenset):
        # Beside what is put together stand the constants that some values of the same parts make.
        made = [a for a in path if _depth(a)] or list(path)
        yield from _pieces(made[0]) if len(made) == 1 else (path,)
        return
    symbol = path.symbol if isinstance(path, Unknown) else path
    looked_up = _looked_up(symbol)
    if _is_found(looked_up) and isinstance(looked_up, tuple):
        # What ``os.listdir`` gives is a name alone, which stands behind its folder.
        yield from _between(looked_up[3:] if looked_up[1] else looked_up[2:], "/")
    elif isinstance(symbol, tuple) and symbol[:1] in ((_PATH,), (_TEXT,)):
        yield from _between(symbol[1:], "/" if symbol[0] == _PATH else "")
    else:
        yield symbol


def _between(parts: tuple[Hashable, ...], separator: str) -> Iterator[Hashable]:
    for number, part in enumerate(parts):
        if number and separator:
            yield separator
        yield from _pieces(part)
