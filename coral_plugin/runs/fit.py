"""The Python interface: ``fit`` on arrays or a data set, and what it returns."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from torch.utils.data import DataLoader

from coral_plugin.data import SPLITS, MultimodalData, from_arrays, from_datasets
from coral_plugin.data.items import is_dataset
from coral_plugin.data.modality import KINDS, Kind
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError, UnknownNameError, short
from coral_plugin.io.paths import home_expanded, is_path
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.registry import DATASETS, suggest
from coral_plugin.runs.arguments import chosen_settings
from coral_plugin.runs.columns import Columns
from coral_plugin.runs.model import Model
from coral_plugin.runs.run import Run, run
from coral_plugin.runs.settings import DEFAULT_SEEDS, dotted
from coral_plugin.runs.start import with_saved_seeds
from coral_plugin.runs.summary import short_scores


@dataclass(frozen=True, repr=False)
class Fitted:
    """A finished training: the model of each seed, and their scores.

    Attributes:
        run: Settings, data, metrics and the trained objective of every seed.
        quiet: Whether no note is written on missing modalities.

    Example:
        >>> import numpy as np
        >>> arrays, values = {}, np.random.default_rng(0)
        >>> for split in SPLITS:
        ...     labels = np.arange(30) % 2
        ...     arrays[f"{split}/wave"] = values.normal(size=(30, 8, 3)) + labels[:, None, None]
        ...     arrays[f"{split}/body"] = values.normal(size=(30, 2))
        ...     arrays[f"{split}/labels"] = labels
        >>> fitted: Fitted = fit(arrays, "concat_raw", seeds=41, quiet=True)
        >>> fitted
        Fitted(concat_raw on arrays, seeds 41: label balanced_accuracy 1.000 (raw features 1.000, chance 0.500))
        >>> fitted.metrics["tasks"]["label"]["mean"]
        1.0
        >>> fitted.embed({"wave": arrays["test/wave"]}).shape  # without the body: 8 * 3 values, and 2 zeros
        (30, 26)
    """

    run: Run
    quiet: bool = False

    def __repr__(self) -> str:
        settings = self.run.settings
        seeds = ", ".join(map(str, settings.seeds))
        missing = "samples of test" if self.run.data.tasks else "labels"
        scores = short_scores(self.metrics) or f"no scores, as there are no {missing}"
        return f"Fitted({settings.objective} on {self.run.data.name}, seeds {seeds}: {scores})"

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``; ``metrics["tasks"]`` is empty without labels and a test split."""
        return self.run.metrics

    @cached_property
    def models(self) -> dict[int, Model]:
        """``{seed: trained model}``."""
        run = self.run
        return {
            seed: Model(objective, run.settings, seed, run.data.tasks, run.scores[seed], quiet=self.quiet)
            for seed, objective in run.objectives.items()
        }

    @property
    def model(self) -> Model:
        """The trained model of the first seed: to embed with, to fine-tune, to save and to export."""
        return self.models[self.run.settings.seeds[0]]

    @property
    def objective(self) -> Objective:
        """The networks of the first seed."""
        return self.model.objective

    def embed(self, samples: Any, *, parts: bool = False, columns: Mapping[str, Columns] | None = None) -> Any:
        """:meth:`Model.embed` of the first seed."""
        return self.model.embed(samples, parts=parts, columns=columns)


def fit(
    samples: Mapping[str, Any] | MultimodalData | str,
    /,
    objective: str = "coral",
    *,
    data: str | Path | None = None,
    modalities: Iterable[str] | None = None,
    labels: Any = None,
    preset: str = "",
    seeds: int | Iterable[int] | None = None,
    epochs: int | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    workers: int | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    augmentations: str | Mapping[str, str | Callable[..., Any]] | None = None,
    plain_augmentations: str | Mapping[str, str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    task: TaskKind | None = None,
    quiet: bool = False,
    **chosen: Any,
) -> Fitted:
    """Train an objective on arrays or a data set, and score it where there are labels and a test split.

    Args:
        samples: ``{modality: (N, ...)}``, of which with ``labels`` 15 % are set aside as valid and the rest is trained
            on, all without (``<modality>/present`` (N,) says which samples have it), or the keys of the ``.npz`` layout
            (``train/<modality>``, ``test/labels``, ...; :func:`coral_plugin.data.from_arrays`), or a data set: loaded,
            or its registered name; what does not fit into memory is a map-style data set of PyTorch, alone or under
            ``train`` (:func:`coral_plugin.data.from_datasets`).
        objective: Registered name of the method.
        data: Path of the files of a data set that is given by name; its own settings are ``source__<key>``.
        modalities: Modalities that are used, in this order; all by default.
        labels: ``(N,)`` for the first form of ``samples``; not used in training.
        preset: Preset of the method; its first one by default.
        seeds: Seeds, one training for each; 41, (41, 42), range(41, 46), an array. By default 41, or with ``resume``
            those of the run.
        epochs: Short for ``training__epochs``.
        output: Run directory (``~`` is the home folder); None writes nothing.
        resume: Whether the run in ``output`` is continued.
        workers: Seeds that are trained at a time, each in a process of its own; None measures what is faster (one line
            says it), and a run that goes on keeps what it began with. 1 trains them one after the other.
        encoders: ``{modality: registered name, nn.Module, or function of (modality, width)}``.
        augmentations: Augmentation of all modalities, or by modality; a function gets (values, lengths, generator).
        plain_augmentations: Augmentation of un-augmented branches; ``none`` leaves images whole (default: cropped).
        kinds: ``{modality: kind}`` where the number of dimensions does not tell.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels do not tell; needs labels.
        quiet: Whether nothing is written to standard error; ``embed`` still warns of values far from those of train.
        chosen: Any other setting as ``group__key``: ``method__mask_ratio=0.5``, ``network__width=64``.

    Raises:
        InputError: data or settings that do not fit; the message says which.
    """
    if not (output is None or isinstance(output, str | Path)) or not is_path(str(output)):
        raise InputError(f"output must name a folder, in UTF-8 without control characters, got {short(output)}.")
    if isinstance(samples, str):
        _refuse_path(samples)
        _refuse_arguments(f"the data set {samples}", labels=labels, kinds=kinds, task=task)
        chosen["data"] = None if data is None else str(data)
    elif data is not None:
        raise InputError("fit takes data=PATH with the name of a data set, as in fit('mosi', data=PATH).")
    elif not isinstance(samples, MultimodalData):
        # recorded as for a file, so that the same arrays in a file are read alike
        if task is not None and task not in (tasks := get_args(TaskKind)):
            raise suggest(str(task), list(tasks), "task")
        reading = {"source.kinds": _kinds(kinds), "source.task": task}
        chosen |= {key: value for key, value in reading.items() if value is not None}
    if modalities is not None:
        chosen["modalities"] = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    if epochs is not None:
        chosen["training.epochs"] = epochs
    settings, modules, functions = chosen_settings(
        objective,
        samples if isinstance(samples, str) else "arrays",
        preset=preset,
        seeds=DEFAULT_SEEDS if seeds is None else seeds,
        encoders=encoders,
        augmentations=augmentations,
        plain_augmentations=plain_augmentations,
        arguments=inspect.signature(fit).parameters,
        **chosen,
    )
    read: MultimodalData | None = None  # what is given by name is read by the run
    if isinstance(samples, MultimodalData):
        if reading_keys := [key for key in chosen if dotted(key).startswith("source.")]:
            raise InputError(
                f"{reading_keys[0]} says how arrays are read, and MultimodalData are read already; leave it out."
            )
        _refuse_arguments("MultimodalData", labels=labels, kinds=kinds, task=task)
        read = samples
    elif not isinstance(samples, str):
        read = as_data(samples, labels=labels, **vars(settings.source))
    if read is not None and settings.modalities is not None:
        read = read.select(settings.modalities)
    folder = Path(home_expanded(str(output))) if output is not None else None
    if seeds is None and resume:
        settings = with_saved_seeds(settings, folder, more=False)
    finished = run(
        settings,
        folder=folder,
        resume=resume,
        quiet=quiet,
        workers=workers,
        data=read,
        encoders=modules,
        augmentations=functions,
    )
    return Fitted(finished, quiet)


def as_data(
    data: Mapping[str, Any] | MultimodalData,
    *,
    labels: Any = None,
    kinds: Mapping[str, Kind] | None = None,
    task: TaskKind | None = None,
    **reading: Any,
) -> MultimodalData:
    """What :func:`fit` takes as samples, as a data set; its arguments of the same names say more.

    ``reading`` are further arguments of :func:`coral_plugin.data.from_arrays`.

    Raises:
        InputError: arrays that do not fit, or arguments that a data set has already.
    """
    if is_dataset(data):
        data = {"train": data}
    for key, value in data.items() if isinstance(data, Mapping) else [("samples", data)]:
        if isinstance(value, DataLoader):
            read = "coral_plugin.data.from_loaders(train, valid, test)"
            raise InputError(f"{key} is a DataLoader: give what {read} makes of yours.")
        if key in SPLITS and isinstance(value, Mapping):
            listed = ", ".join(f"{key}/{name}" for name in [*value][:3])
            raise InputError(f"{key} is a mapping; write its keys as {listed or f'{key}/NAME'} in one mapping.")
    if not isinstance(data, Mapping | MultimodalData):
        known = "{name: array or data frame, ...}, a map-style data set, MultimodalData or the name of a data set"
        raise InputError(f"fit takes {known}, got {short(type(data))}.")
    kinds = _kinds(kinds)
    if isinstance(data, MultimodalData):
        _refuse_arguments("MultimodalData", labels=labels, kinds=kinds, task=task)
        return data
    if odd := [key for key in data if not isinstance(key, str)]:
        raise InputError(f"A key of data must be a text, got {short(odd[0])}.")
    flat = not any(key.partition("/")[0] in SPLITS for key in data)
    if flat:
        data = {f"train/{name}": values for name, values in data.items()}
        if labels is not None:
            data["train/labels"] = labels
    elif labels is not None:
        raise InputError("Give labels inside the data (train/labels, ...) where the data name their splits.")
    if any(key in SPLITS for key in data):
        return from_datasets(data, name="arrays", kinds=kinds, task=task, **reading)
    return from_arrays(data, kinds=kinds, task=task, **reading)


def _kinds(kinds: Any) -> dict[str, Kind] | None:
    """``{modality: kind}`` as settings hold it.

    Raises:
        InputError: it is no mapping, or names a kind that is none.
    """
    if kinds is None:
        return None
    if not isinstance(kinds, Mapping) or not all(isinstance(name, str) for name in kinds):
        raise InputError(f"kinds must be a mapping by modality, got {short(kinds)}.")
    if unknown := [kind for kind in kinds.values() if kind not in KINDS]:
        raise suggest(str(unknown[0]), list(KINDS), "kind of modality")
    return dict(kinds)


def _refuse_path(name: str) -> None:
    """Refuse a file in place of the name of a data set."""
    if name not in DATASETS.names() and is_path(name) and os.path.exists(home_expanded(name)):  # noqa: PTH110
        raise UnknownNameError(f"Unknown dataset {short(name)}. Did you mean fit('arrays', data={name!r})?")


def _refuse_arguments(what: str, **arguments: Any) -> None:
    """Refuse arguments of which a data set has its own."""
    if conflicts := [name for name, value in arguments.items() if value is not None]:
        raise InputError(f"fit has {conflicts[0]}, but {what} has its own; leave {conflicts[0]} out.")
