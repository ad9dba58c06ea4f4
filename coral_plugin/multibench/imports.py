"""Imports inside a checkout's context: its packages first, stand-ins for absent modules, hooks behind modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from coral_plugin.multibench.checkout import Checkout

Fill = Callable[[ModuleType], None]


class Finder(MetaPathFinder):
    """Finds the packages of a checkout in the checkout alone, even if others are installed under their names.

    Args:
        checkout: Checkout with the packages.

    Attributes:
        stand_ins: Modules made in place of absent ones: name to the function that fills the empty module.
        aliases: Names under which MultiBench's scripts look for modules that have other names now.
        hooks: Functions by module of the checkout; they get the module right after it has run.
    """

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.stand_ins: dict[str, Fill] = {}
        self.aliases: dict[str, str] = {}
        self.hooks: dict[str, list[Fill]] = {}

    def owns(self, name: str) -> bool:
        """Whether a module ``name`` is looked for in the checkout."""
        return name.partition(".")[0] in self.checkout.packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that this finder answers for; None leaves it to the others."""
        if fullname in self.stand_ins:
            return ModuleSpec(fullname, _StandIn(self.stand_ins[fullname]), is_package=True)
        if fullname in self.aliases:
            return ModuleSpec(fullname, _Alias(self.aliases[fullname]))
        if not self.owns(fullname):
            return None
        within = [str(self.checkout.root)] if path is None else list(path)
        spec = PathFinder.find_spec(fullname, within, target)
        if spec is not None and spec.loader is not None and fullname in self.hooks:
            spec.loader = _Hooked(spec.loader, self.hooks[fullname])
        return spec


class _StandIn(Loader):
    def __init__(self, fill: Fill) -> None:
        self.fill = fill

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary empty module."""

    def exec_module(self, module: ModuleType) -> None:
        self.fill(module)


class _Alias(Loader):
    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty module, which the real one replaces."""

    def exec_module(self, module: ModuleType) -> None:
        # the import system hands out what stands under the name after this
        sys.modules[module.__name__] = importlib.import_module(self.target)


class _Hooked(Loader):
    def __init__(self, loader: Loader, hooks: list[Fill]) -> None:
        self.loader, self.hooks = loader, hooks

    def __getattr__(self, name: str) -> object:  # get_source and others, for tracebacks
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for hook in self.hooks:
            hook(module)


def below(root: Path) -> Iterator[str]:
    """Names of imported modules whose files lie below ``root``."""
    for name, module in sys.modules.copy().items():  # a copy in one step: looking may import something
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and Path(file).is_relative_to(root):
            yield name
