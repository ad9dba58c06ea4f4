"""A context in which MultiBench's packages can be imported, and after which nothing of it is left."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.imports import Fill, Finder, below

# modules of each checkout between contexts: classes keep their identity, so that objects of one context can be saved,
# loaded and compared in the next
_kept: dict[Path, dict[str, ModuleType]] = {}
_stand_ins: dict[Path, dict[str, ModuleType]] = {}  # the same of modules that stand in for absent ones
_scopes: list[Scope] = []
_ABSENT = object()


class Scope:
    """Changes inside a context; all are undone at its end, the last one first.

    Attributes:
        checkout: Checkout whose packages are importable.
        finder: Finder of these packages.
        notes: Lines that the user got, without repetitions.
        shims: Names of the shims that are applied, with the reasons.
    """

    def __init__(self, checkout: Checkout, finder: Finder, stack: ExitStack, say: Callable[[str], None]) -> None:
        self.checkout = checkout
        self.finder = finder
        self.notes: list[str] = []
        self.shims: dict[str, str] = {}
        self._say = say
        self._stack = stack

    def enter(self, context: contextlib.AbstractContextManager[Any]) -> Any:
        """Enter ``context`` until the end of this one."""
        return self._stack.enter_context(context)

    def patch(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a module or class until the end."""
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self._stack.callback(_restore, owner, name, before)

    def stand_in(self, name: str, fill: Fill) -> None:
        """Let ``import name`` make a module that ``fill`` fills, in place of any that is imported already."""
        hidden = {module: sys.modules.pop(module) for module in sys.modules.copy() if _is_or_below(module, name)}
        stand_ins = _stand_ins.setdefault(self.checkout.root, {})
        if name in stand_ins:  # modules of the checkout that are kept hold on to it
            sys.modules[name] = stand_ins[name]
        self._stack.callback(lambda: stand_ins.update(_swap(lambda module: _is_or_below(module, name), hidden)))
        self._put(self.finder.stand_ins, name, fill)

    def alias(self, name: str, target: str) -> None:
        """Let ``import name`` give the module ``target``."""
        self._put(self.finder.aliases, name, target)

    def after_import(self, name: str, hook: Fill) -> None:
        """Call ``hook`` with the checkout's module ``name`` as soon as it is imported, now if it is already."""
        hooks = self.finder.hooks.setdefault(name, [])
        hooks.append(hook)
        self._stack.callback(hooks.remove, hook)
        if name in sys.modules:
            hook(sys.modules[name])

    def _put(self, mapping: dict[str, Any], key: str, value: Any) -> None:
        if key in mapping:
            self._stack.callback(mapping.__setitem__, key, mapping[key])
        else:
            self._stack.callback(mapping.pop, key)
        mapping[key] = value

    def say(self, line: str) -> None:
        """Print a line that changes what the figures mean; the same line once."""
        if line not in self.notes:
            self.notes.append(line)
            self._say(line)


@contextlib.contextmanager
def isolated(checkout: Checkout, say: Callable[[str], None] = lambda _: None) -> Iterator[Scope]:
    """Inside, MultiBench's packages are imported from ``checkout``, even if others are installed under their names.

    On exit ``sys.path`` is what it was, and the former modules of those names are back. Objects of
    MultiBench's classes stay usable; saving or loading whole ones needs a context, in which their modules are the
    same again. Contexts nest; one of the same checkout in another shares its modules.

    Args:
        checkout: Checkout to import from.
        say: Function that gets lines for the user.
    """
    outer = next((scope for scope in reversed(_scopes) if scope.checkout.root == checkout.root), None)
    with ExitStack() as stack:
        if outer is not None and outer is _scopes[-1]:
            finder = outer.finder
        else:
            finder = Finder(checkout)
            _open(finder, stack)
        scope = Scope(checkout, finder, stack, say)
        _scopes.append(scope)
        stack.callback(_scopes.remove, scope)
        yield scope


def current() -> Scope | None:
    """The innermost open context; None outside of one."""
    return _scopes[-1] if _scopes else None


def bound(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> inspect.BoundArguments:
    """The arguments by name, including defaults, of a call that a script makes of MultiBench's ``function``.

    Raises:
        TypeError: they do not fit the function, in the words of Python for a call of it.
    """
    try:
        call = inspect.signature(function).bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{function.__name__}() {error}") from error
    call.apply_defaults()
    return call


def _open(finder: Finder, stack: ExitStack) -> None:
    root = finder.checkout.root
    stack.callback(_set_path, list(sys.path))
    # __pycache__ would be written into the checkout
    stack.callback(setattr, sys, "dont_write_bytecode", sys.dont_write_bytecode)
    sys.dont_write_bytecode = True
    others = {name: sys.modules.pop(name) for name in sys.modules.copy() if finder.owns(name)}
    sys.modules.update(_kept.get(root, {}))
    stack.callback(_close, finder, others)
    sys.path.insert(0, str(root))
    sys.meta_path.insert(0, finder)
    stack.callback(sys.meta_path.remove, finder)
    importlib.invalidate_caches()


def _close(finder: Finder, others: dict[str, ModuleType]) -> None:
    """Keep the checkout's modules for the next context, and give their names back to ``others``."""
    root = finder.checkout.root
    _kept[root] = _swap(finder.owns, others)
    for name in below(root):  # modules that a script imported from its folder
        del sys.modules[name]


def _swap(owned: Callable[[str], bool], others: dict[str, ModuleType]) -> dict[str, ModuleType]:
    gone = {name: sys.modules.pop(name) for name in sys.modules.copy() if owned(name)}
    sys.modules.update(others)
    return gone


def _restore(owner: Any, name: str, before: Any) -> None:
    if before is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


def _is_or_below(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


def _set_path(before: list[str]) -> None:
    sys.path[:] = before
