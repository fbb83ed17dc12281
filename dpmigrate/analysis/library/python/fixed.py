"""Numbers that look random and are the same in every process: hashes, and draws of a seeded generator."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Unknown
from dpmigrate.analysis.domain.values import Entry, Value, of
from dpmigrate.analysis.language.constants import of_constants, opaque
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import OF_CONSTANTS
from dpmigrate.analysis.registry import CallInfo, function, method

_HASHES = (
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "blake2b",
    "blake2s",
    "sha3_256",
    "sha3_512",
)
_GENERATORS = ("default_rng", "RandomState", "SeedSequence", "PCG64", "Philox", "MT19937", "Generator")


@function(
    *(f"hashlib.{name}" for name in _HASHES),
    *(f"numpy.random.{name}" for name in _GENERATORS),
    *("random.Random", "zlib.crc32", "zlib.adler32", "binascii.crc32"),
)
def _of_what_is_given(ip: Interpreter, info: CallInfo) -> Value:
    """Of constants it is the same for everybody; of nothing, or of something unknown, it is not known."""
    given = info.everything()
    if given and of_constants(given) and not info.unknown_keywords and not info.unknown_positional:
        if "crc32" in info.name or "adler32" in info.name:  # these give the number itself
            return ip.unknown(info.node, OF_CONSTANTS, never_none=True)
        return of(ip.new("fixed-numbers", info.node))
    return unknown_call(ip, External(info.name), info)


@method("fixed-numbers", "*")
def _number(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, OF_CONSTANTS, never_none=True)


@function("builtins.int.from_bytes")
def _from_bytes(ip: Interpreter, info: CallInfo) -> Value:
    return opaque(ip, info.node, info.everything())


@method("constant", "encode")
def _encode(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return opaque(ip, info.node, [Value((e,)), *info.everything()])


@method("unknown", "encode", "item", "tolist")
def _the_same(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    fixed = isinstance(e.atom, Unknown) and e.atom.reason == OF_CONSTANTS
    return Value((e,)) if fixed else unknown_call(ip, e.atom, info)
