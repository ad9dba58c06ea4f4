"""Libraries that are not installed, or that load with no current PyTorch: their names alone, which say what to do."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, NoReturn

from coral_plugin.errors import PluginError, one_line
from coral_plugin.multibench.imports import Fill
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim, absent


class Missing:
    """Stands for a class of a library that is not installed; making one says what is missing.

    Args:
        what: Full name of the class.
        why: Place where MultiBench needs it, and advice.
    """

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            PluginError: always.
        """
        raise PluginError(f"{self.what} is not available: {self.why}.")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise PluginError(f"{self.what}.{name} is not available: {self.why}.")


# library -> what of MultiBench needs it in earnest
_NAMES = {
    "pmdarima": "the ARIMA baseline of examples/finance/stocks_baselines.py",
    "requests": "the download of stock prices from Yahoo (give --data a folder of SYMBOL.csv instead)",
}


def _empty_module(name: str, use: str) -> Fill:
    def fill(module: ModuleType) -> None:
        def missing(attribute: str) -> NoReturn:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            raise PluginError(f"{name} is not installed, and {use} needs it: pip install {name}.")

        module.__getattr__ = missing  # type: ignore[method-assign]

    return fill


def _shim(name: str, use: str) -> Shim:
    def apply(scope: Scope) -> None:
        scope.stand_in(name, _empty_module(name, use))

    return Shim(
        name=name,
        purpose=f"an empty module; {use} says what to install",
        needed=lambda: f"{name} is not installed" if absent(name) else "",
        apply=apply,
    )


STAND_INS: tuple[Shim, ...] = tuple(_shim(name, use) for name, use in _NAMES.items())


def _text_needed() -> str:
    if absent("torchtext"):
        return "torchtext is not installed"
    return broken("torchtext")


def broken(name: str) -> str:
    """Why the installed library ``name`` does not import; empty if it does. What it leaves behind is cleared away."""
    if name in sys.modules:
        return ""
    try:
        importlib.import_module(name)
    except Exception as error:  # OSError from shared libraries, RuntimeError from operators, ...
        for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[module]
        return f"{name} does not import: {one_line(error, 120, with_type=True)}"
    return ""


def _text(module: ModuleType) -> None:
    module.vocab = importlib.import_module("torchtext.vocab")  # type: ignore[attr-defined]


def _vocab(module: ModuleType) -> None:
    why = "the noisy texts of affect's robust_test=True need GloVe vectors, which torchtext fetched and is dead"
    module.GloVe = Missing("torchtext.vocab.GloVe", why)  # type: ignore[attr-defined]


def _apply_text(scope: Scope) -> None:
    scope.stand_in("torchtext", _text)
    scope.stand_in("torchtext.vocab", _vocab)


TEXT = Shim(
    name="torchtext",
    purpose="datasets.affect imports; GloVe vectors, for robust_test=True only, say that they are missing",
    needed=_text_needed,
    apply=_apply_text,
)


_NOISY_TESTS = "MM-IMDb's noisy test sets from raw posters and plots need it"


def _gensim(module: ModuleType) -> None:
    module.models = importlib.import_module("gensim.models")  # type: ignore[attr-defined]


def _models(module: ModuleType) -> None:
    module.KeyedVectors = Missing("gensim.models.KeyedVectors", f"{_NOISY_TESTS}: pip install gensim")  # type: ignore[attr-defined]


def _apply_words(scope: Scope) -> None:
    scope.stand_in("gensim", _gensim)
    scope.stand_in("gensim.models", _models)


WORDS = Shim(
    name="gensim",
    purpose="datasets.imdb imports; word vectors say that they are missing",
    needed=lambda: "gensim is not installed" if absent("gensim") else "",
    apply=_apply_words,
)


def _vgg(module: ModuleType) -> None:
    why = f"{_NOISY_TESTS}, and it is written for Theano, which is dead"
    module.VGGClassifier = Missing("datasets.imdb.vgg.VGGClassifier", why)  # type: ignore[attr-defined]


THEANO = Shim(
    name="imdb-vgg",
    purpose="datasets.imdb imports without its VGG classifier, which runs on Theano alone",
    needed=lambda: "theano is not installed" if absent("theano") else "",
    apply=lambda scope: scope.stand_in("datasets.imdb.vgg", _vgg),
)
