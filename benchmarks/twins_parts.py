"""Parts of the twins that are no training step: the linear probe, SupCon, augmentations. One function for each row.

Each returns ``{what is compared: largest absolute difference}``.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from twins_ours import numbers

from coral_plugin.augmentations import colour, images, sequences
from coral_plugin.data import Task
from coral_plugin.evaluation.probe.probes import probe
from coral_plugin.evaluation.probe.reference import COARSE, fit_reference
from coral_plugin.evaluation.probe.settings import ProbeSettings
from coral_plugin.losses.supervised import supervised_contrast

CLASSES, WIDTH = 3, 12


def labelled(name: str, count: int) -> tuple[Tensor, Tensor]:
    """Features ``(count, 12)`` and classes that they tell in part."""
    features, mixed = numbers((count, WIDTH), f"features {name}"), numbers((count, CLASSES), f"labels {name}")
    return features, (features[:, :CLASSES] + 0.8 * mixed).argmax(dim=1)


def probe_fits() -> dict[str, float]:
    """Weights and biases of their logistic regression and of ours."""
    torch.set_default_dtype(torch.float64)  # their layer is made in it
    module = importlib.import_module("evaluation.logistic_regression")
    features, labels = labelled("train", 240)
    differences = {}
    for cost in COARSE:
        theirs = module.LogisticRegression(C=cost, max_iter=100, verbose=False)
        theirs.fit(features, labels)
        weight, bias = fit_reference(features, labels, cost, CLASSES)
        apart = max(_apart(weight, theirs.logreg.weight), _apart(bias, theirs.logreg.bias))
        differences[f"cost {cost:g}"] = apart
    return differences


def probe_scores() -> dict[str, float]:
    """Their whole probe and ours, on the same features."""
    torch.set_default_dtype(torch.float64)
    module = importlib.import_module("evaluation.linear_probe")
    task = Task(name="label", kind="classification", classes=tuple("abc"))
    settings = ProbeSettings(kind="reference")
    differences = {}
    for number in range(3):
        train, valid, test = (labelled(f"{part} {number}", size) for part, size in (("a", 150), ("b", 90), ("c", 200)))
        for name, held in (("with valid", valid), ("without valid", None)):
            theirs = module.evaluate_linear_probe(*train, *test, *(held or (None, None)))
            parts = [None if part is None else tuple(values.numpy() for values in part) for part in (train, held, test)]
            ours = probe(parts[0], parts[1], parts[2], task, settings, refit_on_valid=True)  # type: ignore[arg-type]
            # theirs is a float32
            differences[f"set {number}, {name}"] = abs(ours.value - theirs["acc1"])
    return differences


def supcon() -> dict[str, float]:
    """Value and gradient of the loss on two views with labels."""
    module = importlib.import_module("losses.supcon")
    labels = torch.arange(14) % 5 % 4
    differences = {}
    for temperature in (0.07, 0.1):
        mine, other = (numbers((14, 2, 6), "embeddings").requires_grad_() for _ in range(2))
        # they scale the loss by temperature / base_temperature
        theirs = module.SupConLoss(temperature=temperature, base_temperature=temperature)(other, labels)
        ours = supervised_contrast(mine[:, 0], mine[:, 1], labels, temperature=temperature)
        ours.backward()
        theirs.backward()
        differences[f"value, τ {temperature}"] = abs(float(ours - theirs))
        differences[f"gradient, τ {temperature}"] = _apart(mine.grad, other.grad)
    return differences


@contextmanager
def replaced(module: Any, others: Mapping[str, Any]) -> Iterator[None]:
    """Attributes of ``module`` in whose place ``others`` stand."""
    real = {name: getattr(module, name) for name in others}
    for name, other in others.items():
        setattr(module, name, other)
    try:
        yield
    finally:
        for name, before in real.items():
            setattr(module, name, before)


def augmentations() -> dict[str, float]:
    """Sample by sample there, the batch at once here."""
    theirs, steps, size = importlib.import_module("dataset.multibench").MultiBenchAugmentations, 11, 7
    values = numbers((size, steps, 4), "sequences")
    lengths = torch.full((size,), steps)
    normal = numbers(values.shape, "normal")
    shares = (numbers((size,), "shares") + 1) / 2
    keys = (numbers((size, steps), "keys") + 1) / 2
    order = keys.argsort(dim=1).numpy()
    results: dict[str, tuple[Tensor, list[Any]]] = {}
    with replaced(torch, {"randn": lambda *_, **__: normal}):
        ours = sequences.noise(values, lengths, None)
    samples = []
    for row in range(size):
        with replaced(np.random, {"randn": lambda *_, row=row: _Drawn(normal[row].numpy())}):
            samples.append(theirs.noise([values[row].numpy()])[0])
    results["noise"] = (ours, samples)
    samples = []
    for row in range(size):
        functions = {
            "uniform": lambda low, high, row=row: low + (high - low) * float(shares[row]),
            "choice": lambda _count, chosen, row=row, **_: order[row][:chosen],
        }
        with replaced(np.random, functions):
            samples.append(theirs.drop([values[row].numpy()])[0])
    results["drop"] = (sequences.drop_lowest(values, lengths, 0.8 * shares, keys), samples)
    with replaced(torch, {"rand": _in_turn([keys])}):
        ours = sequences.permute(values, lengths, None)
    samples = []
    for row in range(size):
        with replaced(np.random, {"permutation": lambda _, row=row: order[row]}):
            samples.append(theirs.permute([values[row].numpy()])[0])
    results["permute"] = (ours, samples)
    with replaced(torch, {"rand": _in_turn([shares, keys])}):
        ours = sequences.mixup(values, lengths, None)
    samples = []
    for row in range(size):
        functions = {
            "permutation": lambda _, row=row: order[row],
            "beta": lambda *_, row=row: float(shares[row]),
        }
        with replaced(np.random, functions):
            samples.append(theirs.mixup([values[row].numpy()])[0])
    results["mixup"] = (ours, samples)
    return {name: _apart(mine, torch.from_numpy(np.stack(list(others)))) for name, (mine, others) in results.items()}


def colours() -> dict[str, float]:
    """Our operations on batches, and torchvision's on each image."""
    functional = importlib.import_module("torchvision.transforms.functional")
    batch = (numbers((6, 3, 20, 24), "images") + 1) / 2
    factors = [1 + 0.4 * numbers((6,), name) for name in ("brightness", "contrast", "saturation")]
    turn = 0.1 * numbers((6,), "hue")
    samples = []
    for row, image in enumerate(batch):
        changed = functional.adjust_brightness(image, float(factors[0][row]))
        changed = functional.adjust_contrast(changed, float(factors[1][row]))
        samples.append(functional.adjust_saturation(changed, float(factors[2][row])))
    # PIL, which the authors' images go through, weighs red by 0.299, torchvision's tensors by 0.2989
    with replaced(colour, {"_LUMA": (0.2989, 0.587, 0.114)}):
        jittered, grey = colour.adjust(batch, *factors, torch.zeros_like(turn)), colour.luma(batch)
    turned = [functional.adjust_hue(image, float(angle)) for image, angle in zip(batch, turn, strict=True)]
    other_grey = torch.stack([functional.rgb_to_grayscale(image) for image in batch])
    mirrored = torch.stack([functional.hflip(image) for image in batch])
    return {
        "brightness, contrast, saturation": _apart(jittered, torch.stack(samples)),
        "hue (torchvision: float32)": _apart(colour.turn_hue(batch, turn), torch.stack(turned)),
        "grey": _apart(grey, other_grey),
        "flip": _apart(images.flip(batch, None, None), mirrored),
    }


class _Drawn(np.ndarray):
    """Numbers that stay float64 where the authors' code asks for float32."""

    def __new__(cls, values: np.ndarray) -> _Drawn:
        return values.view(cls)

    def astype(self, *_: Any, **__: Any) -> np.ndarray:
        return np.asarray(self)


def _in_turn(draws: list[Tensor]) -> Callable[..., Tensor]:
    left = list(draws)
    return lambda *_, **__: left.pop(0)


def _apart(one: Tensor | None, other: Tensor | None) -> float:
    if one is None or other is None:
        return math.inf
    return float((one.detach() - other.detach()).abs().max())
