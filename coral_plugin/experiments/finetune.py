"""Fine-tuning of a pretrained run with labels (paper, section 5.6.5), and the plain classifier beside it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from coral_plugin.data import MultimodalData, Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split, frozen
from coral_plugin.evaluation.metrics import classification_scores
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.experiments.folder import (
    METRICS,
    RESULT,
    finish_seed,
    load_objective,
    open_run,
    prepare_folder,
    read_result,
)
from coral_plugin.experiments.run import load_data, score
from coral_plugin.experiments.settings import RunSettings
from coral_plugin.experiments.summary import summarise
from coral_plugin.files import write_json
from coral_plugin.objectives import Objective
from coral_plugin.objectives.classifier import Classifier
from coral_plugin.objectives.coral import Coral
from coral_plugin.training.fit import train
from coral_plugin.views import build_views

RECORD = "finetune.json"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a pretrained objective is fine-tuned.

    Attributes:
        loss: ``contrastive``: COrAL's own losses with labels, the projection heads frozen; ``cross_entropy``: a linear
            layer on the representation, trained together with it.
        positives: Of ``contrastive``: ``class``, all samples of a class are positives; ``class_neutral``, only the
            other view is, and other samples of the class are neither pulled nor pushed.
        labels: Name of the classification task; the first one by default.
        mask_ratio: Of ``contrastive``; the paper's 20 %.
        orthogonality_weight: Of ``contrastive``; the paper's 1.
        epochs: At most.
        patience: Epochs without a better score on valid after which it stops.
        learning_rate: Of AdamW.
        batch_size: Samples a step.
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


@dataclass(frozen=True)
class Finetuned:
    """What fine-tuning found.

    Attributes:
        folder: Run directory of the fine-tuned networks; ``coral evaluate`` and ``coral embed`` take it.
        metrics: Its ``metrics.json``.
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
    quiet: bool = False,
) -> Finetuned:
    """Fine-tune every finished seed of the run in ``folder``; stops early on valid, and reads test once.

    Args:
        folder: Run directory.
        settings: Of the fine-tuning.
        output: Where the fine-tuned run is written; ``finetuned-<loss>`` in ``folder`` by default.
        data_path: Where the data lie now, if they were moved.
        quiet: No progress on standard error.

    Raises:
        InputError: no run, no finished seed, no labels or no valid or test split, other data than those of the run, or
            a method that has no such losses.
    """
    trained, record = open_run(folder)
    trained = trained if data_path is None else dataclasses.replace(trained, data=data_path)
    data = load_data(trained)
    if data.fingerprint != record["fingerprint"]:
        raise InputError(f"The data are not those of the run in {folder}: their fingerprint differs. Give --data PATH.")
    seeds = tuple(seed for seed in trained.seeds if (folder / f"seed-{seed}" / RESULT).is_file())
    if not seeds:
        raise InputError(f"{folder} has no finished seed; go on with coral train --resume.")
    task = _task(data, settings)
    tuned = _tuned_settings(trained, settings, task, seeds)
    output = output or folder / f"finetuned-{settings.loss}"
    views = build_views(trained.views, data.modalities)
    prepare_folder(output, tuned, data, resume=False)
    results, best, classifier = {}, {}, {}
    for seed in seeds:
        watch = _Watch(data, task, settings.patience)
        finished = train(
            partial(_pretrained, folder, seed, tuned, data, task, settings.loss),
            data.train,
            views,
            tuned.training,
            seed,
            quiet=quiet,
            label="fine-tuning",
            after_epoch=watch,
        )
        watch.restore(finished.objective)
        inner = finished.objective
        if isinstance(inner, Classifier):
            classifier[seed] = _accuracy(inner, data)
            inner = inner.pretrained
        best[seed] = watch.best_epoch
        results[seed] = score(dataclasses.replace(finished, objective=inner), seed, data, tuned)
        finish_seed(output / f"seed-{seed}", inner, results[seed])
    metrics = summarise(tuned, data, results, {})
    before = {seed: read_result(folder / f"seed-{seed}")["scores"]["all"][task.name]["value"] for seed in seeds}
    found = {
        "task": task.name,
        "settings": dataclasses.asdict(settings),
        "seeds": list(seeds),
        "before": [before[seed] for seed in seeds],
        "after": [results[seed]["scores"]["all"][task.name]["value"] for seed in seeds],
        "classifier": [classifier[seed] for seed in seeds] if classifier else None,
        "best_epochs": [best[seed] for seed in seeds],
    }
    write_json(output / METRICS, metrics)
    write_json(output / RECORD, found)
    return Finetuned(output, metrics, found)


def _task(data: MultimodalData, settings: FinetuneSettings) -> Task:
    classes = {task.name: task for task in data.tasks if task.kind == "classification"}
    name = settings.labels or next(iter(classes), "")
    if name not in classes:
        raise InputError(
            f"Fine-tuning needs a classification task{f' {name!r}' if name else ''}; "
            f"{data.name} has {', '.join(classes) or 'none'}."
        )
    if data.valid is None or data.test is None:
        raise InputError(f"Fine-tuning stops early on valid and is scored on test; {data.name} lacks one of them.")
    return classes[name]


def _tuned_settings(
    trained: RunSettings, settings: FinetuneSettings, task: Task, seeds: tuple[int, ...]
) -> RunSettings:
    training = dataclasses.replace(
        trained.training,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        schedule="constant",
        devices=1,
    )
    method = trained.method
    if settings.loss == "contrastive":
        if trained.objective != "coral":
            raise InputError(
                f"The contrastive fine-tuning is COrAL's; the run is of {trained.objective}. Take --loss cross_entropy."
            )
        method = dataclasses.replace(
            method,
            positives=settings.positives,
            labels=task.name,
            masking="constant",
            mask_ratio=settings.mask_ratio,
            orthogonality_weight=settings.orthogonality_weight,
        )
    return dataclasses.replace(trained, method=method, training=training, seeds=seeds)


def _pretrained(folder: Path, seed: int, tuned: RunSettings, data: MultimodalData, task: Task, loss: str) -> Objective:
    """The network of the run under the losses of the fine-tuning."""
    if loss == "contrastive":
        objective = load_objective(folder, seed, settings=tuned)
        assert isinstance(objective, Coral)  # noqa: S101 - the settings were checked
        for head in (objective.shared_head, objective.unique_heads):
            head.requires_grad_(False)
        return objective.train()
    objective = load_objective(folder, seed)
    with frozen(objective):
        width = sum(part.shape[1] for part in objective.embed(data.train.batch(torch.arange(1))).values())
    return Classifier(objective, task, width).train()


def _accuracy(classifier: Classifier, data: MultimodalData) -> float:
    """Balanced accuracy of the classifier itself on the test split."""
    assert data.test is not None  # noqa: S101 - checked by the caller
    with frozen(classifier):
        device = next(classifier.parameters()).device
        scores = torch.cat([classifier.logits(b.to(device)).cpu() for b in data.test.batches(256)])
    truth = data.test.targets[classifier.task.name].cpu().numpy()
    found = classification_scores(truth, scores.argmax(dim=1).numpy(), scores.numpy(), len(classifier.task.classes))
    return float(found["balanced_accuracy"])


class _Watch:
    """Keeps the weights with the best score on valid, and says when it is time to stop.

    The score is the balanced accuracy of a nearest-neighbour probe: it needs no fit, and no setting that would have to
    be chosen on valid too.
    """

    def __init__(self, data: MultimodalData, task: Task, patience: int) -> None:
        self.data, self.task, self.patience = data, task, patience
        self.best_epoch, self.best = -1, -1.0
        self._state: Mapping[str, Tensor] = {}

    def __call__(self, objective: Objective, epoch: int) -> bool:
        """Score the objective after ``epoch``; True to stop."""
        train, valid = self.data.train, self.data.valid
        assert valid is not None  # noqa: S101 - checked by the caller
        rows = [
            (concatenate(embed_split(objective, split)), split.targets[self.task.name].cpu().numpy())
            for split in (train, valid)
        ]
        value = probe(rows[0], None, rows[1], self.task, ProbeSettings(kind="knn")).value
        if value > self.best:
            self.best, self.best_epoch = value, epoch
            self._state = copy.deepcopy(objective.state_dict())
        return epoch - self.best_epoch >= self.patience

    def restore(self, objective: Objective) -> None:
        """Give ``objective`` the best weights back."""
        objective.load_state_dict(self._state)
