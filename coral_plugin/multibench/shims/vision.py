"""torchvision: our own few networks and transforms where it is absent, its operators where it does not import."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from coral_plugin.multibench.isolation import Scope, current
from coral_plugin.multibench.shims import image_transforms
from coral_plugin.multibench.shims.base import Shim, absent
from coral_plugin.multibench.shims.missing import Missing, broken
from coral_plugin.multibench.shims.resnet import ResNet
from coral_plugin.multibench.shims.vgg import VGG

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    **{f"vgg{n}": partial(VGG, n, normalised=False) for n in (11, 16, 19)},
    **{f"vgg{n}_bn": partial(VGG, n, normalised=True) for n in (11, 16, 19)},
    **{f"resnet{n}": partial(ResNet, n) for n in (18, 50)},
}
_SCHEMAS = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))


def _builder(name: str) -> Callable[..., nn.Module]:
    def build(pretrained: Any = False, progress: bool = True, weights: Any = None, **options: Any) -> nn.Module:
        del progress  # nothing is fetched
        network = _BUILDERS[name](**options)
        if pretrained or weights is not None:
            _load(network, name)
        return network

    return build


def _load(network: nn.Module, name: str) -> None:
    """The published weights from torch's cache, if a torchvision left them there; else a note that they are missing."""
    for path in sorted((Path(torch.hub.get_dir()) / "checkpoints").glob(f"{name}-*.pth")):
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return
    _tell(name)


def _tell(name: str) -> None:
    if scope := current():
        scope.say(
            f"the script asks for {name} with weights from ImageNet, which are not on this machine: it starts from "
            "random weights, frozen where the script freezes it"
        )


def _models(module: ModuleType) -> None:
    for name in _BUILDERS:
        setattr(module, name, _builder(name))


def _transforms(module: ModuleType) -> None:
    for name in ("Compose", "Normalize", "Resize", "ToTensor"):
        setattr(module, name, getattr(image_transforms, name))
    module.transforms = module  # type: ignore[attr-defined]


def _datasets(module: ModuleType) -> None:
    module.__getattr__ = _dataset  # type: ignore[method-assign]


def _dataset(name: str) -> Missing:
    if name.startswith("__"):
        raise AttributeError(name)
    return Missing(f"torchvision.datasets.{name}", "torchvision is not installed")


def _package(module: ModuleType) -> None:
    for name in ("models", "transforms", "datasets"):
        setattr(module, name, importlib.import_module(f"torchvision.{name}"))


def _apply_absent(scope: Scope) -> None:
    for name, fill in {"": _package, ".models": _models, ".transforms": _transforms, ".datasets": _datasets}.items():
        scope.stand_in(f"torchvision{name}", fill)


VISION = Shim(
    name="torchvision-absent",
    purpose="our own VGG-11/16/19, ResNet-18/50 and the transforms that MultiBench uses",
    needed=lambda: "torchvision is not installed" if absent("torchvision") else "",
    apply=_apply_absent,
)


# why torchvision does not import by itself, and its modules between contexts: what they register cannot be twice
_reason: list[str] = []
_kept: dict[str, ModuleType] = {}


def _needed_operators() -> str:
    if not _reason and not absent("torchvision") and (why := broken("torchvision")):
        _reason.append(why)
    return _reason[0] if _reason else ""


def _apply_operators(scope: Scope) -> None:
    scope.enter(_operators())


@contextlib.contextmanager
def _operators() -> Iterator[None]:
    # a build for another PyTorch cannot load its own operators; their names are enough for everything but detection
    library = torch.library.Library("torchvision", "DEF")  # freed below
    try:
        for schema in _SCHEMAS:
            library.define(schema)
        sys.modules.update(_kept)
        importlib.import_module("torchvision.models")
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            _kept[name] = sys.modules.pop(name)
        library._destroy()


OPERATORS = Shim(
    name="torchvision-operators",
    purpose="a torchvision whose compiled operators do not load is imported without them",
    needed=_needed_operators,
    apply=_apply_operators,
)


def _apply_weights(scope: Scope) -> None:
    models = importlib.import_module("torchvision.models")
    for name in _BUILDERS:
        if build := getattr(models, name, None):
            scope.patch(models, name, _or_random(name, build))


def _or_random(name: str, build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def either(pretrained: Any = False, **options: Any) -> nn.Module:
        try:
            return build(pretrained=pretrained, **options)
        except OSError:  # no network, no cached file
            _tell(name)
            return build(**options)

    return either


WEIGHTS = Shim(
    name="pretrained-weights",
    purpose="networks that cannot fetch their weights start from random ones, with a note",
    needed=lambda: "" if absent("torchvision") else "the weights may have to be fetched",
    apply=_apply_weights,
)
