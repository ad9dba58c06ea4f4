"""``.cuda()`` and ``"cuda"`` on a machine without a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.overrides
import torch.utils._device
from torch import nn

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

# functions that make tensors on a device given by argument
_FACTORIES = (
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "ones", "ones_like", "rand", "rand_like", "randint"),
    *("randn", "randn_like", "randperm", "tensor", "zeros", "zeros_like"),
)


def _absent() -> str:
    return "" if torch.cuda.is_available() else "no GPU that PyTorch can use"


def _apply(scope: Scope) -> None:
    for owner in (nn.Module, torch.Tensor):
        scope.patch(owner, "cuda", _same)
        scope.patch(owner, "to", _on_cpu(owner.to))
    # PyTorch looks these functions up in sets that it makes when it first needs them, and keeps
    torch.utils._device._device_constructors()
    torch.overrides.get_ignored_functions()
    for name in _FACTORIES:
        scope.patch(torch, name, _on_cpu(getattr(torch, name)))
    # checkpoints that were saved on a GPU; torch.load as it is now, which other shims may have changed
    original = torch.load
    scope.patch(torch, "load", functools.wraps(original)(lambda *args, **o: original(*args, **_mapped(args, o))))


def _mapped(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    return options if len(args) > 1 or "map_location" in options else {**options, "map_location": "cpu"}


def _same(self: Any, *_: Any, **__: Any) -> Any:
    return self


def _on_cpu(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def on_cpu(*args: Any, **options: Any) -> Any:
        if "device" in options:
            options["device"] = _device(options["device"])
        return function(*(_device(a) if isinstance(a, str | torch.device) else a for a in args), **options)

    return on_cpu


def _device(value: Any) -> Any:
    """The CPU in place of any GPU; everything else as it is."""
    kind = value.type if isinstance(value, torch.device) else value
    return torch.device("cpu") if isinstance(kind, str) and kind.partition(":")[0] == "cuda" else value


CUDA = Shim(
    name="cuda-absent",
    purpose='.cuda(), .to("cuda"), device="cuda" and models saved on a GPU all mean the CPU',
    needed=_absent,
    apply=_apply,
)


def _hidden() -> str:
    return "scripts choose a GPU by CUDA_VISIBLE_DEVICES that may not exist here" if torch.cuda.is_available() else ""


CUDA_CHOICE = Shim(
    name="cuda-choice",
    purpose="the GPUs that are visible at the start stay so: CUDA is opened before the script runs",
    needed=_hidden,
    apply=lambda _: torch.cuda.init(),
)
