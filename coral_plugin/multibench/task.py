"""A script's task: what its head puts out, what its loss is, and by what MultiBench chooses a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import frozen
from coral_plugin.evaluation.metrics import multilabel_scores
from coral_plugin.multibench.outputs import locate

_BY_TASK = {"classification": nn.CrossEntropyLoss, "multilabel": nn.BCEWithLogitsLoss}
# the losses that MultiBench itself calls with a prediction and a truth
_PLAIN = (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.L1Loss)


@dataclass(frozen=True)
class ScriptTask:
    """What a script's head is trained for.

    Attributes:
        kind: The ``task`` of MultiBench's ``train``.
        loss: Of output and truth; the script's own where it is one of torch's, else the usual one of the task.
        shape: Of the output for one sample, the batch axis left out: (10,), (1,), (16, 2).
        metric: What a model is chosen by on valid: ``accuracy``, ``macro_f1`` or ``loss``.
    """

    kind: str
    loss: nn.Module
    shape: tuple[int, ...]

    @property
    def metric(self) -> str:
        """Name of what MultiBench chooses a model by."""
        return {"classification": "accuracy", "multilabel": "macro_f1"}.get(self.kind, "loss")

    def loss_of(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of outputs ``(B, *shape)`` on labels as the loader gives them."""
        truth = truth.to(output.device)
        if isinstance(self.loss, nn.CrossEntropyLoss):
            same = truth.ndim == output.ndim
            value: Tensor = self.loss(output, (truth.squeeze(-1) if same else truth).long())
            return value
        if truth.shape != output.shape and truth.numel() == output.numel():
            truth = truth.reshape(output.shape)  # (B,) against (B, 1) would be compared every one with every other
        value = self.loss(output, truth.to(output.dtype))
        return value

    def score(self, output: Tensor, truth: Tensor) -> float:
        """The metric of outputs, negated where less is better: greater is better in any case."""
        if self.metric == "accuracy":
            return float((output.argmax(dim=1).flatten() == truth.to(output.device).flatten()).double().mean())
        if self.metric == "macro_f1":
            predicted = torch.sigmoid(output).round().cpu().numpy()
            return multilabel_scores(truth.cpu().numpy(), predicted)["macro_f1"]
        return -float(self.loss_of(output, truth))


def script_task(kind: str, objective: Any, shape: tuple[int, ...], truth: Tensor) -> ScriptTask:
    """The task of a script from the arguments of its ``train``.

    Args:
        kind: ``classification``, ``multilabel``, ``regression``.
        objective: The script's loss; an own function or class of it is replaced by the usual loss of the task.
        shape: Of the output for one sample.
        truth: Labels of a batch.

    Raises:
        InputError: labels that do not fit the output.
    """
    loss = objective if type(objective) in _PLAIN else _BY_TASK.get(kind, nn.MSELoss)()
    task = ScriptTask(kind, loss, shape)
    try:
        task.loss_of(torch.zeros(len(truth), *shape, device=_device_of(loss)), truth)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"The script's {type(loss).__name__} does not fit outputs of shape (B, {', '.join(map(str, shape))}) and "
            f"labels of shape {tuple(truth.shape)}: {reason}."
        ) from error
    return task


def output_shape(
    encoders: Sequence[nn.Module],
    fusion: nn.Module,
    head: nn.Module,
    values: list[Tensor],
    lengths: list[Tensor] | None,
) -> tuple[int, ...]:
    """Shape of what the script's own network puts out for one sample, by one batch of its data.

    Raises:
        InputError: the script's network fails on it.
    """
    whole = nn.ModuleList([*encoders, fusion, head])
    device = next((p.device for p in whole.parameters()), torch.device("cpu"))
    inputs = [each.float().to(device) for each in values]
    try:
        with frozen(whole):
            made = [
                encoder(x if lengths is None else [x, steps])
                for encoder, x, steps in zip(encoders, inputs, lengths or inputs, strict=False)
            ]
            plain = lengths is None or isinstance(made[0], Tensor)
            fused = fusion(made if plain else [each[0] for each in made])
            fused = fused[0] if isinstance(fused, tuple) else fused
            out, _ = locate(head(fused if plain else [fused, lengths[0]]), None)  # type: ignore[index]
    except Exception as error:  # a stranger's modules may raise anything
        shapes = ", ".join(str(tuple(each.shape[1:])) for each in values)
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(
            f"The script's own network fails on its first batch ({reason}); its samples have shapes {shapes}. Are these the "
            "data that the script was written for?"
        ) from error
    return tuple(out.shape[1:])


def _device_of(module: nn.Module) -> torch.device:
    return next((buffer.device for buffer in module.buffers()), torch.device("cpu"))
