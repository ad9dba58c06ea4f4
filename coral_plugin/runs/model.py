"""The public model: the trained networks of one seed, to embed with, to fine-tune, to save and to export."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import sys
import warnings
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch, Task
from coral_plugin.data.arrays import as_split
from coral_plugin.data.scale import far_values
from coral_plugin.data.tensors import as_batch
from coral_plugin.errors import InputError, short
from coral_plugin.evaluation.features import ALL, concatenate, embed_batch, embed_split, evaluating
from coral_plugin.evaluation.missing import presence_note, unread_note
from coral_plugin.evaluation.scoring import PartScores
from coral_plugin.io.files import read_bytes, read_json, write_folder, write_json
from coral_plugin.io.paths import home_expanded, is_path
from coral_plugin.io.safetensors import write_tensors
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.runs.columns import Columns, by_modality
from coral_plugin.runs.export import write_onnx
from coral_plugin.runs.folder import (
    CONFIG,
    RESULT,
    WEIGHTS,
    load_objective,
    modalities_of,
    open_run,
    read_result,
    restore,
    tasks_of,
    trained_seed,
)
from coral_plugin.runs.result import scores_misfit
from coral_plugin.runs.settings import RunSettings, from_dict

RECORD = "model.json"
SCHEMA = 1
_KEYS = {"schema", "seed", "settings", "modalities", "tasks", "scores", "versions", "sha256"}


class Model(nn.Module):
    """A trained objective as a module that maps measured values to their representation.

    It is in evaluation mode and differentiable, and sits in any network: ``nn.Sequential(model, nn.Linear(...))``;
    docs/guides/model.md shows every use.

    Args:
        objective: Trained networks; shared, not copied.
        settings: Settings of the run.
        seed: Seed of the training.
        tasks: Tasks of the data, with the names of the classes.
        scores: ``{part: {task: {"metric", "value", "also", ...}}}`` of this seed; empty where nothing was scored.
        quiet: Whether no note is written on missing modalities; else there is one for each set of them.

    Attributes:
        objective: Networks, with ``loss`` and ``embed``.

    Example:
        >>> import coral_plugin
        >>> arrays = {"wave": torch.randn(20, 8, 3), "body": torch.randn(20, 2)}
        >>> (model := coral_plugin.fit(arrays, "concat_raw", quiet=True).model)
        Model(concat_raw, seed 41: wave (8, 3), body (2,) -> wave 24, body 2)
        >>> model(arrays).shape
        torch.Size([20, 26])
    """

    def __init__(
        self,
        objective: Objective,
        settings: RunSettings,
        seed: int,
        tasks: tuple[Task, ...] = (),
        scores: PartScores | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        super().__init__()
        self.objective = objective
        self.settings, self.seed, self.tasks, self.scores, self.quiet = settings, seed, tasks, scores or {}, quiet
        self._noted: set[tuple[frozenset[str], str]] = set()  # what notes have named as missing and not read
        self.eval()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities with the statistics of train, by which ``forward`` and ``embed`` standardise."""
        return self.objective.modalities

    @cached_property
    def parts(self) -> dict[str, int]:
        """``{part: width}`` of the representation, in the order of its columns."""
        values = {m.name: torch.zeros(2, *m.shape) for m in self.modalities}
        with evaluating(self.objective):
            parts = embed_batch(self.objective, MultimodalBatch(values))
        return {name: part.shape[1] for name, part in parts.items()}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The representation ``(B, D)`` of ``{modality: (B, ...)}``, all parts side by side.

        Values are as they were measured, and scaled in here. ``<modality>/length`` (B,) and ``<modality>/present`` (B,)
        are as in an ``.npz`` file; modalities may be left out (:func:`coral_plugin.data.tensors.as_batch`).

        Raises:
            InputError: tensors that do not fit the modalities.
        """
        parts = self.objective.embed(as_batch(inputs, self.modalities))
        return torch.cat(list(parts.values()), dim=1)

    def embed(self, samples: Any, *, parts: bool = False, columns: Mapping[str, Columns] | None = None) -> Any:
        """The representation of samples as float32, in evaluation mode and without gradients.

        Modalities may be left out, or be missing in samples where ``<modality>/present`` (N,) is False: what is present
        is embedded, and parts of a missing modality alone are constant.

        Args:
            samples: ``{modality: (N, ...)}``; a data frame or 2-D array, whose columns ``columns`` groups; or a
                :class:`~coral_plugin.data.MultimodalBatch` as splits give it.
            parts: Whether the parts come apart.
            columns: ``{modality: slice, indices, boolean mask or names}``; by the names of the features in train where
                these and a data frame have names.

        Returns:
            ``(N, D)``, or ``{part: (N, d)}`` with ``parts``.

        Raises:
            InputError: samples that do not fit those of the training.

        Warns:
            UserWarning: values that lie far from those of train, also where ``quiet``.
        """
        if isinstance(samples, MultimodalBatch):
            with evaluating(self.objective):
                embedded = embed_batch(self.objective, samples)
        else:
            arrays = by_modality(samples, columns, self.modalities)
            split = as_split(arrays, self.modalities, "samples")
            unread = unread_note(arrays, self.modalities)
            noted = (frozenset(split.presence()), unread)
            if not self.quiet and noted not in self._noted and (line := presence_note(split)):
                sys.stderr.write(f"{line}{unread}\n")
                self._noted.add(noted)
            for line in far_values(split, self.modalities):
                warnings.warn(line, stacklevel=2)
            embedded = embed_split(self.objective, split)
        return embedded if parts else concatenate(embedded)

    def save(self, folder: str | Path) -> Path:
        """Write weights and a record to ``folder``, which :func:`load` takes anywhere, and return its path.

        The record holds settings, modalities with their statistics, tasks with their classes, versions and the scores
        of this seed. Both files are written aside and renamed together; a model that lies there is replaced.

        Raises:
            InputError: something else than a saved model lies there.
            MachineError: no space or no rights.
        """
        target = _folder(folder)
        with write_folder(target, {WEIGHTS, RECORD}) as aside:
            write_tensors(aside / WEIGHTS, self.objective.state_dict())
            record = {
                "schema": SCHEMA,
                "seed": self.seed,
                "settings": self.settings.as_dict(),
                "modalities": [dataclasses.asdict(modality) for modality in self.modalities],
                "tasks": [dataclasses.asdict(task) for task in self.tasks],
                "scores": self.scores,
                "versions": {name: version(name) for name in ("coral-multibench", "torch")},
                "sha256": _digest(aside / WEIGHTS),
            }
            write_json(aside / RECORD, record)
        return target

    def export(self, path: str | Path, *, presence: bool = False) -> None:
        """Write an ONNX file that takes any number of samples.

        Its inputs are the modalities by name, ``<modality>/length`` (B,) of sequences, and with ``presence`` also
        ``<modality>/present`` (B,); its output is ``representation`` (B, D), as of ``forward`` in evaluation mode.

        Args:
            path: File to write.
            presence: Whether samples may lack modalities.

        Raises:
            PluginError: ``onnx`` or ``onnxscript`` is not installed.
            InputError: an encoder that cannot be exported.
        """
        write_onnx(self, self.modalities, Path(home_expanded(str(path))), presence=presence)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{m.name} {m.shape}" for m in self.modalities)
        outputs = ", ".join(f"{name} {width}" for name, width in self.parts.items())
        return f"Model({self.settings.objective}, seed {self.seed}: {inputs} -> {outputs})"

    def _repr_html_(self) -> str:
        """Parts, widths and scores as a table, for notebooks."""
        tasks = list(self.scores.get(ALL, {}))
        heads = ["part", "width", *(f"{task}: {self.scores[ALL][task]['metric']}" for task in tasks)]
        rows = [[ALL, str(sum(self.parts.values()))], *([name, str(width)] for name, width in self.parts.items())]
        for row in rows:
            scores = self.scores.get(row[0], {})
            row += [f"{scores[task]['value']:.3f}" if task in scores else "" for task in tasks]
        cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        caption = f"{self.settings.objective} on {self.settings.dataset}, seed {self.seed}"
        head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
        return f"<p>{html.escape(caption)}</p><table><tr>{head}</tr>{cells}</table>"


def load(
    run: str | Path,
    seed: int | None = None,
    *,
    encoders: Mapping[str, EncoderLike] | None = None,
    quiet: bool = False,
) -> Model:
    """The trained model of a run directory, or of a folder that :meth:`Model.save` wrote, on the CPU.

    Args:
        run: Folder.
        seed: Seed of the run; the first finished one by default.
        encoders: Modules or functions from Python, where the run was trained with them.
        quiet: Whether no note is written on missing modalities.

    Raises:
        InputError: no such folder or seed, or damaged files.
    """
    folder = _folder(run)
    if (folder / RECORD).is_file() and not (folder / CONFIG).is_file():
        return _load_saved(folder, seed, encoders, quiet)
    settings, record = open_run(folder)
    seed = trained_seed(folder, settings, seed)
    objective = load_objective(folder, seed, encoders)
    finished = (folder / f"seed-{seed}" / RESULT).is_file()
    scores = read_result(folder / f"seed-{seed}")["scores"] if finished else {}
    return Model(objective, settings, seed, tasks_of(record), scores, quiet=quiet)


def _load_saved(folder: Path, seed: int | None, encoders: Mapping[str, EncoderLike] | None, quiet: bool) -> Model:
    path = folder / RECORD
    record = read_json(path)
    if not isinstance(record, dict) or not set(record) >= _KEYS or not isinstance(record["settings"], dict):
        raise InputError(f"{path} is damaged: it is no record of a saved model. Save the model again.")
    if wrong := scores_misfit(record["scores"]):
        raise InputError(f"{path} is damaged: {wrong}. Save the model again.")
    if type(record["seed"]) is not int:
        raise InputError(f"{path} is damaged: its seed {short(record['seed'])} is no number. Save the model again.")
    if record["schema"] != SCHEMA:
        raise InputError(f"{path} is of schema {short(record['schema'])}, this version reads {SCHEMA}; update it.")
    if seed is not None and seed != record["seed"]:
        raise InputError(f"{folder} holds the model of seed {short(record['seed'])}, not {seed}.")
    try:
        settings = from_dict(record["settings"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    modalities, tasks = modalities_of(record, path), tasks_of(record, path)
    if _digest(folder / WEIGHTS) != record["sha256"]:
        raise InputError(f"{folder / WEIGHTS} is damaged: its checksum is not that of {RECORD}. Save the model again.")
    objective = restore(settings, modalities, tasks, folder / WEIGHTS, encoders, advice="Save the model again")
    return Model(objective, settings, record["seed"], tasks, record["scores"], quiet=quiet)


def _folder(folder: str | Path) -> Path:
    if not isinstance(folder, str | Path) or not is_path(str(folder)):
        raise InputError(f"Give the name of a folder, got {short(folder)}.")
    return Path(home_expanded(str(folder)))


def _digest(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()
