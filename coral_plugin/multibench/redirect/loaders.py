"""Which loaders of MultiBench's data sets are replaced, and by what."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from coral_plugin.multibench.isolation import bound
from coral_plugin.multibench.redirect import affect, imdb, push, simple, stocks
from coral_plugin.multibench.redirect.limit import limited
from coral_plugin.multibench.redirect.request import ArgumentChange, DataRequest, Loader

_Maker = Callable[[DataRequest, ModuleType], ArgumentChange]
# module of the checkout -> its function, and what makes the change of its arguments
_LOADERS: dict[str, tuple[str, _Maker]] = {
    "datasets.affect.get_data": ("get_dataloader", affect.affect_loader),
    "datasets.avmnist.get_data": ("get_dataloader", simple.avmnist),
    "datasets.enrico.get_data": ("get_dataloader", simple.enrico),
    "datasets.imdb.get_data": ("get_dataloader", imdb.imdb_loader),
    "datasets.mimic.get_data": ("get_dataloader", simple.mimic),
    "datasets.robotics.get_data": ("get_data", simple.robotics),
    "datasets.stocks.get_data": ("get_dataloader", stocks.stocks_loader),
}
_PUSH_LOADER = "datasets.gentle_push.data_loader"


def redirect(request: DataRequest) -> None:
    """Replace the loaders of MultiBench's data sets for as long as the scope of ``request`` lasts."""
    for name, (function, make) in _LOADERS.items():
        request.scope.after_import(name, functools.partial(_hook, request, function, make))
    request.scope.after_import(_PUSH_LOADER, functools.partial(push.hook, request))


def _hook(request: DataRequest, function: str, make: _Maker, module: ModuleType) -> None:
    original: Loader = getattr(module, function)
    change = make(request, module)

    @functools.wraps(original)
    def load(*args: Any, **options: Any) -> Any:
        call = bound(original, args, options)
        loader = change(call.arguments) or original
        return limited(loader(*call.args, **call.kwargs), request.limit)

    request.scope.patch(module, function, load)
