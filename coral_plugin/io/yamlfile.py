"""YAML read without trust: plain values only, no key twice, and no more values than were written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from coral_plugin.errors import InputError, one_line, short
from coral_plugin.io.files import read_text

_MOST_CHARACTERS = 1 << 18
_MOST_VALUES = 10_000
_MOST_DEPTH = 30


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with the numbers of YAML 1.2: ``1e-3`` is one, and needs no point."""


class _Dumper(yaml.SafeDumper):
    """The same, so that a text such as ``'1e5'`` is written in quotes."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+\Z"), [*"-+.0123456789"]
    )


def yaml_text(values: Mapping[str, Any]) -> str:
    """``values`` as YAML, in their order, which :func:`read_yaml` reads."""
    text: str = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping of settings in a YAML file.

    Raises:
        InputError: there is no such file, it is no YAML, or it holds something else than a mapping of settings.
    """
    values = parse_yaml(read_text(path, most=4 * _MOST_CHARACTERS), str(path))
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path} must hold a mapping of settings, such as config.yaml of a run.")
    return values


def parse_yaml(text: str, source: str, *, as_texts: bool = False) -> Any:
    """The plain value that ``text`` stands for; Python objects are refused, and no code is run.

    Args:
        text: YAML.
        source: Name of the text, for messages.
        as_texts: Whether every single value is a text, whatever it looks like.

    Raises:
        InputError: no YAML, a key twice, or anchors that unfold to more than anyone writes.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"{source} is not read: it has {len(text)} characters, {_MOST_CHARACTERS} are the most.")
    kind = yaml.BaseLoader if as_texts else _Loader
    loader: Any = kind("")
    try:
        loader = kind(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, source, {}, 0)
        return loader.construct_document(node)
    except InputError:
        raise
    except Exception as error:  # beside its own errors the loader raises what int(), datetime and re raise
        what = one_line(error, 300)
        raise InputError(f"{source} is not valid YAML: {what}.") from error
    finally:
        loader.dispose()


def _measure(node: yaml.Node, source: str, sizes: dict[int, int], depth: int) -> int:
    """How many values ``node`` unfolds to; every anchor is measured once."""
    if depth > _MOST_DEPTH:
        raise InputError(f"{source} is not read: it is nested more than {_MOST_DEPTH} deep.")
    if id(node) in sizes:
        return sizes[id(node)]
    sizes[id(node)] = _MOST_VALUES + 1  # what holds itself has no end
    size = 1
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node, source)
        size += sum(_measure(part, source, sizes, depth + 1) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_measure(part, source, sizes, depth + 1) for part in node.value)
    if size > _MOST_VALUES:
        raise InputError(f"{source} is not read: it unfolds to more than {_MOST_VALUES} values.")
    sizes[id(node)] = size
    return size


def _refuse_twice(node: yaml.MappingNode, source: str) -> None:
    seen: set[str] = set()
    for key in [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
        if key in seen:
            raise InputError(f"{source} has {short(key)} twice in one mapping; leave one of them out.")
        seen.add(key)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"group.key": value}`` of nested mappings."""
    single: dict[str, Any] = {}
    for key, value in values.items():
        single |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return single
