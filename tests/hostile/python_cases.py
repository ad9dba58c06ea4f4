"""Settings and arrays from Python: ``coral_plugin.fit`` and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from coral_plugin import fit
from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality

from .runner import Case
from .world import World, arrays

TINY = {"network__width": 16, "network__heads": 2, "network__head_hidden": 16, "network__head_output": 8}


def _fit(says: str, kind: str, *, data: Any = ..., drop: str = "", **chosen: Any) -> Case:
    """``fit`` on the valid arrays with some of them changed, or on other data, with settings."""

    def prepare(world: World) -> Callable[[], Any]:
        content = data
        if data is ... or (isinstance(data, dict) and any(str(key).startswith("train/") for key in data)):
            content = {**arrays(), **(data if isinstance(data, dict) else {})}
            content = {key: value for key, value in content.items() if not drop or drop not in key}
        options = {"epochs": 1, "quiet": True, **TINY, **chosen}
        if options.get("output") is True:
            options["output"] = world.folder / "out"
        return lambda: fit(content, **options)

    return Case("python", kind, prepare, says)


def _call(says: str, kind: str, function: Callable[[], Any]) -> Case:
    return Case("python", kind, lambda _: function, says)


def _name(name: Any) -> dict[str, Any]:
    return {f"{split}/{name}": arrays()[f"{split}/table"] for split in ("train", "valid", "test")}


def _modality(name: Any) -> Callable[[], Any]:
    return lambda: Modality(name=name, kind="tabular", shape=(3,))


WAVE = Modality(name="wave", kind="timeseries", shape=(6, 3))

CASES = [
    _fit("fit takes {name: array or data frame", "data that are None", data=None),
    _fit("fit takes {name: array or data frame", "data that are a number", data=42),
    _fit("fit takes {name: array or data frame", "data that are a list", data=[np.ones((4, 2))]),
    _fit("must be a text", "a key that is a number", data={3: np.ones((4, 2)), "b": np.ones((4, 2))}),
    _fit("no train split", "no arrays at all", data={}),
    _fit("at least two modalities", "one modality", data={"a": np.ones((4, 2))}),
    _fit("only numbers", "an array of text", data={"train/table": np.array([["a", "b"]] * 36)}),
    _fit("only numbers", "an array of objects", data={"train/table": np.full((36, 4), None, dtype=object)}),
    _fit("only numbers", "an array of dates", data={"train/table": np.zeros((36, 4), dtype="M8[s]")}),
    _fit("only numbers", "an array of complex numbers", data={"train/table": np.zeros((36, 4), dtype=complex)}),
    _fit("no array of numbers", "rows of several lengths", data={"train/table": [[1.0, 2.0], [1.0]]}),
    _fit("not finite", "NaN in an array", data={"train/table": np.full((36, 4), np.nan)}),
    _fit("32-bit", "numbers beyond 32-bit floats", data={"train/table": np.full((36, 4), 1e300)}),
    _fit("is empty", "a single number as array", data={"train/table": np.float32(3)}),
    _fit("is empty", "an array of no samples", data={"train/table": np.zeros((0, 4))}),
    _fit("give (N, d)", "an array of six dimensions", data={"train/table": np.zeros((36, 1, 1, 1, 1, 1))}),
    _fit("unequal numbers of samples", "labels of another length", data={"train/labels": np.arange(5)}),
    _fit("one type and shape", "labels as text in train alone", data={"train/labels": np.array(["a", "b", "c"] * 12)}),
    _fit("one class only", "labels of one class", data={"train/labels": np.zeros(36, dtype=int)}),
    _fit("train lacks", "labels of another coding in train", data={"train/labels": np.arange(36) % 3 - 1}),
    _fit("train lacks", "labels up to 2**62 in train", data={"train/labels": (np.arange(36) % 3) * 2**61}),
    _fit("must be integers", "lengths as floats", data={"train/wave/length": np.full(36, 2.5)}),
    _fit("must be from 1 to 6", "lengths beyond the series", data={"train/wave/length": np.full(36, 7)}),
    _fit("different names", "two classes of one name", data={"train/labels": np.arange(36) % 3, "classes": ["a"] * 3}),
    _fit(
        "printable",
        "a class with a line break",
        data={"train/table": arrays()["train/table"], "classes": ["a", "b\n", "c"]},
    ),
    _fit(
        "printable",
        "a class that is no UTF-8",
        data={"train/table": arrays()["train/table"], "classes": ["a", "\ud800", "c"]},
    ),
    _fit(
        "classes",
        "classes as a ragged list",
        data={"train/table": arrays()["train/table"], "classes": [["a"], ["b", "c"]]},
    ),
    _fit("unknown key", "a key with a line break", data={"train/x\ny": np.ones((36, 2))}),
    _fit("epochs", "epochs as text", epochs="ten"),
    _fit("epochs", "epochs as a fraction", epochs=1.5),
    _fit("epochs", "epochs as a truth value", epochs=True),
    _fit("epochs", "no epochs", epochs=0),
    _fit("epochs", "epochs beyond any life", epochs=10**30),
    _fit("batch_size", "a batch size beyond any memory", training__batch_size=10**30),
    _fit("learning_rate", "a learning rate that is NaN", training__learning_rate=float("nan")),
    _fit("learning_rate", "an infinite learning rate", training__learning_rate=float("inf")),
    _fit("learning_rate", "a learning rate beyond floats", training__learning_rate=10**400),
    _fit("learning_rate", "a negative learning rate", training__learning_rate=-1e-3),
    _fit("weight_decay", "a weight decay that is NaN", training__weight_decay=float("nan")),
    _fit("gradient_clip", "an infinite gradient clip", training__gradient_clip=float("inf")),
    _fit("temperature", "a temperature that is NaN", method__temperature=float("nan")),
    _fit("mask_stages", "mask stages as text", method__mask_stages="often"),
    _fit("mask_stages", "mask stages that are no numbers", method__mask_stages=("a", None)),
    _fit("mask_stages", "a mask stage that is NaN", method__mask_stages=(0.1, float("nan"))),
    _fit("larger than any", "a width beyond any memory", network__width=2**31),
    _fit("depth", "a depth without end", network__depth=2**31),
    _fit("heads", "heads that do not divide the width", network__heads=7),
    _fit("encoders", "encoders of the network as a list", network__encoders=["mlp"]),
    _fit("network.encoders", "an encoder as a number", network__encoders={"table": 3}),
    _fit("must be a mapping", "encoders as a number", encoders=5),
    _fit("given for left", "an encoder for a stranger", encoders={"left": "mlp"}),
    _fit("a function", "an encoder that is a mapping", encoders={"table": {}}),
    _fit("Seeds", "seeds that are a fraction", seeds=41.5),
    _fit("Seeds", "seeds that are a truth value", seeds=True),
    _fit("Seeds", "seeds as text", seeds="41"),
    _fit("Seeds", "a seed that is a fraction", seeds=(1.5,)),
    _fit("Seeds", "a seed twice", seeds=(1, 1)),
    _fit("Seeds", "a negative seed", seeds=(-1,)),
    _fit("Seeds", "a seed of 4000 digits", seeds=(10**4000,)),
    _fit("Seeds", "no seed", seeds=()),
    _fit("no argument 'epoch'", "an argument that is not there", epoch=3),
    _fit("Did you mean 'epochs'", "a setting that is not there", training__epohs=3),
    _fit("Unknown objective", "an objective that is a number", objective=5),
    _fit("Unknown objective", "an objective that is a path", objective="../../etc/passwd"),
    _fit("preset", "a preset that is a list", preset=["paper"]),
    _fit("augmentations", "augmentations that are a number", augmentations=5),
    _fit("Cannot read", "a view that is a sentence", augmentations="import os"),
    _fit("modality left", "a view for a stranger", augmentations={"left": "noise"}),
    _fit("kind", "a kind that nobody knows", kinds={"table": "hologram"}),
    _fit("kind", "a kind for a stranger", kinds={"left": "image"}),
    _fit("kind", "kinds as a number", kinds=5),
    _fit("output", "an output that is a number", output=5),
    _fit("output", "an output with a null character", output="a\0b"),
    _fit("precision", "a precision that nobody knows", training__precision="8-bit"),
    _call("characters", "a view specification of 100,000 signs", lambda: build_augmenter("noise+" * 20_000, [WAVE])),
    _call("plain text", "a modality named with a slash", _modality("a/b")),
    _call("plain text", "a modality named with a line break", _modality("a\nb")),
    _call("plain text", "a modality named with a null character", _modality("a\0b")),
    _call("plain text", "a modality named with half a character", _modality("\ud800")),
    _call("plain text", "a modality without a name", _modality("")),
    _call("text", "a modality named by a number", _modality(5)),
    _call("characters", "a modality with a name of 100,000 characters", _modality("x" * 100_000)),
    _call("cannot be called", "a modality called labels", _modality("labels")),
]

torch.set_num_threads(1)
