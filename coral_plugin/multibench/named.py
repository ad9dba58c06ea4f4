"""MultiBench's encoders by name: ``multibench:GRU(20, 128)`` on the command line and wherever an encoder is named."""

from __future__ import annotations

import ast
import importlib
from functools import partial
from typing import Any

import torch
from torch import nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError, one_line, say, short
from coral_plugin.multibench.checkout import Checkout, find_checkout
from coral_plugin.multibench.compatibility import multibench
from coral_plugin.multibench.encoders import MultiBenchEncoder
from coral_plugin.registry import suggest

_PACKAGE = "unimodals"
_FIRST = f"{_PACKAGE}.common_models"


def named(modality: Modality, width: int, name: str = "", *arguments: Any, **options: Any) -> nn.Module:
    """A module of MultiBench's ``unimodals`` as the encoder of a modality; packed where it says ``has_padding``.

    Args:
        modality: Modality that it encodes.
        width: Token width D; its sizes are given in ``arguments``.
        name: Name of the class, with its module in front where needed: ``GRU``, ``robotics.encoders.ForceEncoder``.
        arguments: Positional arguments of the class.
        options: Keyword arguments of the class.

    Raises:
        InputError: no checkout, no such class, arguments that it does not take, or a module that does not fit the data.
    """
    del width
    if not isinstance(name, str) or not name:
        raise InputError(
            f"Name a module of MultiBench's {_PACKAGE}, such as multibench:GRU(20, 128); got {short(name)}."
        )
    checkout = find_checkout()
    module_name, _, attribute = _place(name, checkout).rpartition(".")
    # on the CPU: the module is called below, which "meta" does not allow
    with multibench(checkout, say=partial(say, quiet=True)), torch.device("cpu"):
        try:
            module = getattr(importlib.import_module(module_name), attribute)(*arguments, **options)
        except Exception as error:  # a stranger's module may raise anything
            reason = one_line(error, 300)
            raise InputError(f"multibench:{name} for {modality.name}: {type(error).__name__}: {reason}.") from error
        if not isinstance(module, nn.Module):
            raise InputError(f"multibench:{name} makes a {type(module).__name__}, no module; it encodes nothing.")
        packed = any(getattr(part, "has_padding", False) for part in module.modules())
        return MultiBenchEncoder(module, modality, packed=packed)


def classes(checkout: Checkout) -> dict[str, list[str]]:
    """``{class: modules it is in}`` of ``unimodals``, read without importing anything."""
    modules_of: dict[str, list[str]] = {}
    for path in sorted((checkout.root / _PACKAGE).rglob("*.py")):
        module = ".".join(path.relative_to(checkout.root).with_suffix("").parts)
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef):
                modules_of.setdefault(node.name, []).append(module)
    return modules_of


def _place(name: str, checkout: Checkout) -> str:
    """``package.module.Class`` of what ``name`` stands for."""
    module, _, attribute = name.rpartition(".")
    known = classes(checkout)
    if attribute not in known:
        raise suggest(attribute, list(known), f"module of MultiBench's {_PACKAGE}")
    places = known[attribute]
    if module:
        places = [place for place in places if place == module or place == f"{_PACKAGE}.{module}"]
        if not places:
            raise InputError(f"MultiBench has no {name}; {attribute} is in {', '.join(known[attribute])}.")
    elif _FIRST in places:
        places = [_FIRST]
    if len(places) > 1:
        raise InputError(f"MultiBench has {attribute} in {' and '.join(places)}; write the module in front of it.")
    return f"{places[0]}.{attribute}"
