"""What MM-IMDb's loader imports for its noisy test sets: word vectors (gensim), and a VGG written for Theano."""

from __future__ import annotations

import importlib
from types import ModuleType

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.absent import Missing
from coral_plugin.multibench.shims.base import Shim, absent

_WHY = "MM-IMDb's noisy test sets from raw posters and plots need it"


def _gensim(module: ModuleType) -> None:
    module.models = importlib.import_module("gensim.models")  # type: ignore[attr-defined]


def _models(module: ModuleType) -> None:
    module.KeyedVectors = Missing("gensim.models.KeyedVectors", f"{_WHY}: pip install gensim")  # type: ignore[attr-defined]


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
    why = f"{_WHY}, and it is written for Theano, which is dead"
    module.VGGClassifier = Missing("datasets.imdb.vgg.VGGClassifier", why)  # type: ignore[attr-defined]


THEANO = Shim(
    name="imdb-vgg",
    purpose="datasets.imdb imports without its VGG classifier, which runs on Theano alone",
    needed=lambda: "theano is not installed" if absent("theano") else "",
    apply=lambda scope: scope.stand_in("datasets.imdb.vgg", _vgg),
)
