"""Fine-tuning of a pretrained run with labels (paper, section 5.6.5), and the plain classifier beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import MultimodalData, Task
from coral_plugin.errors import InputError, short
from coral_plugin.evaluation.features import evaluating
from coral_plugin.evaluation.metrics import classification_scores
from coral_plugin.io.files import read_json, write_json
from coral_plugin.objectives import Objective
from coral_plugin.objectives.classifier import Classifier
from coral_plugin.objectives.coral import Coral
from coral_plugin.runs.early_stopping import EarlyStopping
from coral_plugin.runs.folder import (
    METRICS,
    RESULT,
    WEIGHTS,
    finish_seed,
    held,
    load_objective,
    prepare_folder,
    read_result,
)
from coral_plugin.runs.run import open_finished
from coral_plugin.runs.seed import score_seed
from coral_plugin.runs.settings import RunSettings, changed_settings
from coral_plugin.runs.summary import summarise
from coral_plugin.training.fit import check_machine, pick_device, train

RECORD, MARK = "finetune.json", "finetuned.json"
_OF_A_RUN = ("training.devices", "training.keep_every")  # settings that a fine-tuning does not have


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a pretrained objective is fine-tuned.

    Attributes:
        loss: ``contrastive``: COrAL's own losses with labels, the projection heads frozen; ``cross_entropy``: a linear
            layer on the representation, trained together with it.
        positives: Positives of ``contrastive``: ``class``, all samples of a class; ``class_neutral``, only the other
            view, with other samples of the class neither pulled nor pushed.
        labels: Name of the classification task; the first one by default.
        mask_ratio: Mask ratio of ``contrastive``; the paper's 20 %.
        orthogonality_weight: Weight of the orthogonality of ``contrastive``; the paper's 1.
        epochs: Largest number of epochs.
        patience: Number of epochs without a better score on valid before it stops.
        learning_rate: Learning rate of AdamW.
        batch_size: Samples per step.
    """

    loss: Literal["contrastive", "cross_entropy"] = "contrastive"
    positives: Literal["class", "class_neutral"] = "class"
    labels: str = ""
    mask_ratio: float = 0.2
    orthogonality_weight: float = 1.0
    epochs: int = 100
    patience: int = 20
    learning_rate: float = 1e-4
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}.")
        for name in ("positives", "mask_ratio", "orthogonality_weight") if self.loss == "cross_entropy" else ():
            if getattr(self, name) != getattr(type(self), name):
                raise InputError(f"{name} is a setting of COrAL's losses; with the loss cross_entropy leave it out.")


@dataclass(frozen=True)
class Finetuned:
    """Result of a fine-tuning.

    Attributes:
        folder: Run directory of the fine-tuned networks; ``coral evaluate`` and ``coral embed`` take it.
        metrics: Content of ``metrics.json``.
        record: ``{"task", "settings", "before", "after", "classifier", "best_epochs"}``: the balanced accuracy of the
            probe on the test split before and after, and that of the classifier itself, by seed.
    """

    folder: Path
    metrics: dict[str, Any]
    record: dict[str, Any]


def finetune(
    folder: Path,
    settings: FinetuneSettings,
    *,
    output: Path | None = None,
    data_path: str | None = None,
    chosen: Mapping[str, Any] | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Finetuned:
    """Fine-tune every finished seed of the run in ``folder``; stops early on valid, and reads test once.

    A seed is short and keeps no checkpoint: one that was stopped begins anew, and comes to the same end.

    Args:
        folder: Run directory.
        settings: Settings of the fine-tuning.
        output: Folder of the fine-tuned run; ``finetuned-<loss>`` in ``folder`` by default.
        data_path: New path of the data, if they were moved.
        chosen: Other settings of training, probe and (``contrastive``) method, ``{"group.key": value}``; those of the
            run by default, with the CPU as ``training.device`` where this machine has no GPU.
        resume: Whether seeds that ``output`` holds are read in place of fine-tuned again.
        quiet: Whether nothing is written to standard error.

    Raises:
        InputError: no run, no finished seed, no labels or no valid or test split, other data than those of the run, a
            method that has no such losses, or an output that holds another fine-tuning.
        Interrupted: SIGTERM or Ctrl-C came; ``resume`` goes on.
    """
    trained, data, seeds = open_finished(folder, data_path)
    task = _task(data, settings)
    tuned = _tuned_settings(trained, settings, task, seeds, chosen or {})
    check_machine(tuned.training)
    if trained.training.device == "cuda" != pick_device(tuned.training.device).type and not (
        quiet or "training.device" in (chosen or {})
    ):
        sys.stderr.write("fine-tuning on the CPU: this machine has no GPU, which the run was trained on\n")
    output = output or folder / f"finetuned-{settings.loss}"
    with held(output):
        prepare_folder(output, tuned, data, resume)
        results, marks = {}, {}
        for seed in seeds:
            results[seed], marks[seed] = _tuned_seed(folder, output, seed, settings, tuned, data, task, quiet=quiet)
        metrics = summarise(tuned, data, results, {}, finetuned=True)
        record = {
            "task": task.name,
            "settings": dataclasses.asdict(settings),
            "seeds": list(seeds),
            "before": [read_result(folder / f"seed-{s}")["scores"]["all"][task.name]["value"] for s in seeds],
            "after": [result["scores"]["all"][task.name]["value"] for result in results.values()],
            "classifier": None if settings.loss == "contrastive" else [m["classifier"] for m in marks.values()],
            "best_epochs": [mark["best_epoch"] for mark in marks.values()],
        }
        write_json(output / METRICS, metrics)
        write_json(output / RECORD, record)
    return Finetuned(output, metrics, record)


def is_finetuned(folder: Path) -> bool:
    """Whether ``folder`` is what :func:`finetune` wrote: the networks of its run have seen labels."""
    # a fine-tuning that was stopped has marks of its seeds alone
    return (folder / RECORD).is_file() or any(folder.glob(f"seed-*/{MARK}"))


def _tuned_seed(
    folder: Path,
    output: Path,
    seed: int,
    settings: FinetuneSettings,
    tuned: RunSettings,
    data: MultimodalData,
    task: Task,
    *,
    quiet: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Result and mark of one seed, fine-tuned now or before."""
    seed_folder = output / f"seed-{seed}"
    weights = hashlib.sha256((folder / f"seed-{seed}" / WEIGHTS).read_bytes()).hexdigest()
    mark: dict[str, Any] = {"settings": dataclasses.asdict(settings), "pretrained": weights}
    if (seed_folder / RESULT).exists():
        return read_result(seed_folder), _read_mark(seed_folder, mark)
    stopping = EarlyStopping(data, task, settings.patience)
    finished = train(
        partial(_pretrained, folder, seed, tuned, data, task, settings.loss),
        data.train,
        build_augmenter(tuned.augmentations, data.modalities, tuned.plain_augmentations),
        tuned.training,
        seed,
        quiet=quiet,
        label="fine-tuning",
        after_epoch=stopping,
    )
    stopping.restore(finished.objective)
    objective = finished.objective
    accuracy = _accuracy(objective, data) if isinstance(objective, Classifier) else None
    objective = objective.pretrained if isinstance(objective, Classifier) else objective
    mark |= {"best_epoch": stopping.best_epoch, "classifier": accuracy}
    result = score_seed(dataclasses.replace(finished, objective=objective), seed, data, tuned)
    write_json(seed_folder / MARK, mark)
    finish_seed(seed_folder, objective, result)
    return result, mark


def _read_mark(folder: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The saved mark of a fine-tuned seed; an InputError where it is damaged, or of other settings."""
    mark = read_json(folder / MARK)
    known = {*wanted, "best_epoch", "classifier"}
    if not isinstance(mark, dict) or set(mark) != known or not isinstance(mark["settings"], dict):
        raise InputError(f"{folder / MARK} is damaged. Remove {folder} and go on with --resume.")
    was, now = ({"pretrained weights": m["pretrained"], **m["settings"]} for m in (mark, wanted))
    if changed := [key for key in now if was.get(key) != now[key]]:
        listed = "; ".join(f"{key}: saved {short(was.get(key))}, asked {short(now[key])}" for key in changed)
        raise InputError(f"{folder} was fine-tuned otherwise ({listed}). Choose another --output, or remove {folder}.")
    return mark


def _task(data: MultimodalData, settings: FinetuneSettings) -> Task:
    classes = {task.name: task for task in data.tasks if task.kind == "classification"}
    if (name := settings.labels or next(iter(classes), "")) not in classes:
        wanted = f"a classification task{f' {name!r}' if name else ''}"
        raise InputError(f"Fine-tuning needs {wanted}; {data.name} has {', '.join(classes) or 'none'}.")
    if data.valid is None or data.test is None:
        raise InputError(f"Fine-tuning stops early on valid and is scored on test; {data.name} lacks one of them.")
    return classes[name]


def _tuned_settings(
    trained: RunSettings, settings: FinetuneSettings, task: Task, seeds: tuple[int, ...], chosen: Mapping[str, Any]
) -> RunSettings:
    groups = ("training", "method") if settings.loss == "contrastive" else ("training",)
    if fixed := [key for key in chosen if key.partition(".")[0] not in groups or key in _OF_A_RUN]:
        raise InputError(f"{fixed[0]} cannot be chosen here; a fine-tuning takes settings of {', '.join(groups)}.")
    training = dataclasses.replace(
        trained.training,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        schedule="constant",
        device="cpu" if trained.training.device == "cpu" else "auto",
        devices=1,
        keep_every=0,
    )
    method = trained.method
    if settings.loss == "contrastive":
        if trained.objective != "coral":
            raise InputError(f"Contrastive fine-tuning is COrAL's, not {trained.objective}'s: --loss cross_entropy.")
        method = dataclasses.replace(
            method,
            positives=settings.positives,
            labels=task.name,
            masking="constant",
            mask_ratio=settings.mask_ratio,
            orthogonality_weight=settings.orthogonality_weight,
        )
    return changed_settings(dataclasses.replace(trained, method=method, training=training, seeds=seeds), chosen)


def _pretrained(folder: Path, seed: int, tuned: RunSettings, data: MultimodalData, task: Task, loss: str) -> Objective:
    """The network of the run under the losses of the fine-tuning."""
    if loss == "contrastive":
        objective = load_objective(folder, seed, settings=tuned)
        assert isinstance(objective, Coral)  # noqa: S101 - the settings were checked
        return freeze_heads(objective).train()
    objective = load_objective(folder, seed)
    with evaluating(objective):
        width = sum(part.shape[1] for part in objective.embed(data.train.batch(torch.arange(1))).values())
    return Classifier(objective, task, width).train()


def freeze_heads(objective: Coral) -> Coral:
    """Keep the projection heads from training, as fine-tuning with the contrastive losses does."""
    for head in (objective.shared_head, objective.unique_heads):
        head.requires_grad_(False)
    return objective


def _accuracy(classifier: Classifier, data: MultimodalData) -> float:
    """Balanced accuracy of the classifier itself on the test split."""
    assert data.test is not None  # noqa: S101 - checked by the caller
    with evaluating(classifier):
        device = next(classifier.parameters()).device
        scores = torch.cat([classifier.logits(b.to(device)).cpu() for b in data.test.batches(256)])
    truth = data.test.targets[classifier.task.name].cpu().numpy()
    accuracies = classification_scores(
        truth, scores.argmax(dim=1).numpy(), scores.numpy(), len(classifier.task.classes)
    )
    return float(accuracies["balanced_accuracy"])
