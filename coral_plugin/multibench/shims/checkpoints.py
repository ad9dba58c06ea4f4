"""``torch.load`` of whole models, without letting a file run code.

Since PyTorch 2.6 ``torch.load`` reads tensors only, and MultiBench saves whole modules. The classes that a checkpoint
names are looked at one by one here, and admitted to PyTorch's restricted unpickler if they are networks, or defined in
the checkout or in the running script, whose code runs anyway. Nothing is ever loaded with ``weights_only=False``
unless the caller wrote that himself.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from typing import Any

import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.io.pickled_arrays import array_globals
from coral_plugin.multibench.isolation import Scope, current
from coral_plugin.multibench.shims.base import Shim

_FUNCTIONS = ("torch.nn.functional", "torch._C._nn")  # activations that modules hold by reference


def _needed() -> str:
    default = inspect.signature(torch.load).parameters["weights_only"].default
    return "" if default is False else f"torch.load of PyTorch {torch.__version__} reads no whole models"


def _apply(scope: Scope) -> None:
    from torch.serialization import safe_globals

    original = torch.load

    @functools.wraps(original)
    def load(f: Any, *args: Any, **options: Any) -> Any:
        if "weights_only" in options:
            return original(f, *args, **options)
        admitted = {**array_globals(), **_admitted(f)}
        with safe_globals([(value, name) for name, value in admitted.items()]):
            return original(f, *args, weights_only=True, **options)

    scope.patch(torch, "load", load)


def _admitted(file: Any) -> dict[str, Any]:
    """What the checkpoint names beyond PyTorch's own list, by name.

    Raises:
        InputError: it names something that is neither a network nor the checkout's.
    """
    from torch.serialization import get_unsafe_globals_in_checkpoint  # where it is missing, so is the need

    start = file.tell() if hasattr(file, "seek") else 0
    try:
        names = get_unsafe_globals_in_checkpoint(file)
    except (ValueError, RuntimeError):  # an older format, or no checkpoint: torch.load says which
        return {}
    finally:
        if hasattr(file, "seek"):
            file.seek(start)
    objects = {name: _resolve(name) for name in names}
    if refused := [name for name, value in objects.items() if value is None]:
        origin = os.fspath(file) if isinstance(file, str | os.PathLike) else "The checkpoint"
        raise InputError(
            f"{origin} needs {refused[0][:100]}, which is neither a network nor MultiBench's, and is not loaded, as "
            "it could run code. Train the model again, or load it yourself with torch.load(..., weights_only=False)."
        )
    return objects


def _resolve(name: str) -> Any:
    """The object that a checkpoint calls ``name``; None if it is not admitted."""
    if value := array_globals().get(name):
        return value
    module, _, attribute = name.rpartition(".")
    scope = current()
    of_script = module == "__main__" or module.partition(".")[0] in (scope.checkout.packages if scope else ())
    if not of_script and not module.startswith(("torch.nn", "torch._C._nn", "coral_plugin.")):
        return None
    try:
        value = getattr(sys.modules.get(module) or importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    if isinstance(value, type):
        defined_here = of_script or module.startswith("coral_plugin.")
        return value if issubclass(value, nn.Module) or (defined_here and value.__module__ == module) else None
    return value if module in _FUNCTIONS and callable(value) and not inspect.ismodule(value) else None


CHECKPOINTS = Shim(
    name="torch-load",
    purpose="torch.load reads whole models of MultiBench's classes, and refuses any other class by name",
    needed=_needed,
    apply=_apply,
)
