"""Records of options that a library fills in: ``tyro.cli(Config)``, ``Config.model_validate(read)``."""

from __future__ import annotations

import sys
from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Obj
from dpmigrate.analysis.domain.values import NOTHING, Class, Entry, Function, Seq, Value, of
from dpmigrate.analysis.language.classes import (
    BASE_KINDS,
    find_member,
    is_record,
    record_fields,
)
from dpmigrate.analysis.language.fields import class_of_field, open_field
from dpmigrate.analysis.language.functions import enter_function, unknown_call
from dpmigrate.analysis.registry import CallInfo, function, method

MAX_DEPTH = 4
"""Records within records that are filled in."""


def set_from_outside(
    ip: Interpreter, cls: Class, node: cst.CSTNode, within: tuple[Hashable, ...] = ()
) -> Value:
    """An instance whose fields somebody else set: each its default or anything, records in it likewise."""
    made = Obj("instance", ("outside", cls.key, *within), cls.module, cls.node, cls)
    ip.store.make(made)
    for name in record_fields(cls):
        inner = class_of_field(ip, cls, name) if len(within) < MAX_DEPTH else None
        if inner is not None and is_record(inner) and inner is not cls:
            ip.store.set(made, name, set_from_outside(ip, inner, node, (*within, (cls.key, name))))
        else:
            ip.store.set(made, name, open_field(ip, made, cls, name, node))
    checked = find_member(ip, cls, "__post_init__")
    if checked is not None and isinstance(checked.only, Function):
        enter_function(ip, checked.only, CallInfo(node), receiver=made)
    return of(made)


@function("<call of a package>")
def _from_a_class(ip: Interpreter, info: CallInfo) -> Value:
    """``tyro.cli(Config)``, ``from_dict(Config, read)``: whatever of a package is given the class."""
    package = info.name.partition(".")[0]
    if package == "builtins" or package in sys.stdlib_module_names:
        return NOTHING
    given = (value.only for value in info.everything())
    records = [atom for atom in given if isinstance(atom, Class) and is_record(atom)]
    return set_from_outside(ip, records[0], info.node) if len(records) == 1 else NOTHING


@function("<inherited from a package>")
def _by_a_base_of_a_package(ip: Interpreter, info: CallInfo) -> Value:
    """``Config.model_validate(read)``: what a base or a decorator of a package gives the class makes one."""
    cls = info.positional[0].only
    if not isinstance(cls, Class) or not is_record(cls):
        return NOTHING
    return set_from_outside(ip, cls, info.node)


@function("omegaconf.OmegaConf.merge", "omegaconf.OmegaConf.unsafe_merge")
def _merged(ip: Interpreter, info: CallInfo) -> Value:
    """``merge(record, OmegaConf.from_cli())``: a record whose fields others may have set."""
    first = info.argument(0, "").only
    if isinstance(first, Obj) and isinstance(first.data, Class) and is_record(first.data):
        return set_from_outside(ip, first.data, info.node)
    return unknown_call(ip, External(info.name), info)


@function("omegaconf.OmegaConf.structured", "omegaconf.OmegaConf.create", "omegaconf.OmegaConf.to_object")
def _as_it_is(ip: Interpreter, info: CallInfo) -> Value:
    """``structured(Config)``, ``structured(Config())``."""
    first = info.argument(0, "obj").only
    if isinstance(first, Obj) and isinstance(first.data, Class) and is_record(first.data):
        return of(first)
    return _from_a_class(ip, info) or unknown_call(ip, External(info.name), info)


BASE_KINDS["tap.Tap"] = "filled-in record"


@method("filled-in record", "parse_args")
def _parse_itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``Config().parse_args()`` of a typed argument parser, which fills in itself."""
    instance = e.atom.data if isinstance(e.atom, Obj) else None
    cls = instance.data if isinstance(instance, Obj) else None
    return set_from_outside(ip, cls, info.node) if isinstance(cls, Class) else NOTHING


@function("transformers.HfArgumentParser", "transformers.hf_argparser.HfArgumentParser")
def _dataclass_parser(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("dataclass-parser", info.node)
    ip.store.set(made, "<classes>", info.argument(0, "dataclass_types"))
    return of(made)


@method(
    "dataclass-parser", "parse_args_into_dataclasses", "parse_json_file", "parse_dict", "parse_yaml_file", "*"
)
def _parse_dataclasses(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = ip.read(e.atom, "<classes>") or NOTHING
    atom = given.only
    classes = list(atom.items) if isinstance(atom, Seq) and atom.items is not None else [given]
    made = []
    for value in classes:
        only = value.only
        made.append(
            set_from_outside(ip, only, info.node)
            if isinstance(only, Class)
            else ip.unknown(info.node, "options")
        )
    return of(Seq(tuple(made)))
