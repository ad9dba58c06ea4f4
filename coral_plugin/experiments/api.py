"""The Python interface: ``fit`` on arrays or a data set, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data import SPLITS, Kind, MultimodalData, as_split, from_arrays
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.experiments.run import Run, run
from coral_plugin.experiments.settings import GROUPS, SEEDS, make_settings
from coral_plugin.networks import EncoderLike
from coral_plugin.objectives import Objective


@dataclass(frozen=True)
class Fitted:
    """A trained objective and its scores.

    Attributes:
        run: Settings, data, metrics and the trained objective of every seed.
    """

    run: Run

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``; ``metrics["tasks"]`` is empty without labels and a test split."""
        return self.run.metrics

    @property
    def objective(self) -> Objective:
        """The trained module of the first seed."""
        return self.run.objectives[self.run.settings.seeds[0]]

    def embed_parts(self, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Each part of the representation of ``{modality: (N, ...)}``: ``{part: (N, d)}``."""
        return embed_split(self.objective, as_split(arrays, self.run.data.modalities))

    def embed(self, arrays: Mapping[str, Any]) -> np.ndarray:
        """The whole representation of ``{modality: (N, ...)}``: ``(N, sum of d)``, the shared part first."""
        return concatenate(self.embed_parts(arrays))


def fit(
    data: Mapping[str, Any] | MultimodalData,
    objective: str = "coral",
    *,
    labels: Any = None,
    preset: str = "paper",
    seeds: Sequence[int] = SEEDS,
    epochs: int | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    encoders: Mapping[str, EncoderLike] | None = None,
    views: str | Mapping[str, str | Callable[..., Any]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    quiet: bool = False,
    **chosen: Any,
) -> Fitted:
    """Train an objective on arrays that lie in memory, and score it where there are labels and a test split.

    Args:
        data: ``{modality: (N, ...)}`` (all of it is trained on), or the keys of the ``.npz`` layout
            (``train/<modality>``, ``test/labels``, ...; :func:`coral_plugin.data.from_arrays`), or a data set.
        objective: Registered name of the method.
        labels: ``(N,)`` for the first form of ``data``; not used in training.
        preset: Of the method.
        seeds: One training each.
        epochs: Short for ``training__epochs``.
        output: Run directory; None writes nothing.
        resume: Go on with the run in ``output``.
        encoders: ``{modality: registered name, nn.Module, or function of (modality, width)}``.
        views: Augmentation of all modalities, or by modality; a function gets (values, lengths, generator).
        kinds: ``{modality: kind}`` where the number of dimensions does not tell.
        quiet: Nothing on standard error.
        chosen: Any other setting as ``group__key``: ``method__mask_ratio=0.5``, ``network__width=64``.

    Raises:
        InputError: data or settings that do not fit; the message says which.
    """
    if not isinstance(data, MultimodalData):
        flat = not any(key.partition("/")[0] in SPLITS for key in data)
        if flat:
            data = {f"train/{name}": values for name, values in data.items()}
            if labels is not None:
                data["train/labels"] = labels
        elif labels is not None:
            raise InputError("Give labels inside the data (train/labels, ...) where the data name their splits.")
        data = from_arrays(data, kinds=kinds)
    if epochs is not None:
        chosen["training__epochs"] = epochs
    if wrong := [key for key in chosen if key.partition("__")[0] not in GROUPS]:
        raise InputError(f"fit has no argument {wrong[0]!r}; settings are <group>__<key> with {', '.join(GROUPS)}.")
    named, functions = _split_functions(views)
    modules = {name: like for name, like in (encoders or {}).items() if not isinstance(like, str)}
    texts = {name: like for name, like in (encoders or {}).items() if isinstance(like, str)}
    if texts:
        chosen["network__encoders"] = texts
    if named is not None:
        chosen["views"] = named
    settings = make_settings(objective, "arrays", preset=preset, seeds=tuple(seeds), **chosen)
    finished = run(
        settings,
        folder=Path(output) if output is not None else None,
        resume=resume,
        quiet=quiet,
        data=data,
        encoders=modules,
        augmentations=functions,
    )
    return Fitted(finished)


def _split_functions(
    views: str | Mapping[str, str | Callable[..., Any]] | None,
) -> tuple[str | dict[str, str] | None, dict[str, Callable[..., Any]]]:
    if views is None or isinstance(views, str):
        return views, {}
    texts = {name: view for name, view in views.items() if isinstance(view, str)}
    return texts, {name: view for name, view in views.items() if not isinstance(view, str)}
