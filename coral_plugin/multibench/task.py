"""A script's task: what its head puts out, what its loss is, and by what MultiBench chooses a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.errors import InputError, one_line
from coral_plugin.evaluation.features import evaluating
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
        loss: Loss of output and truth; the script's own where it is one of torch's, else the usual one of the task.
        shape: Shape of the output for one sample, the batch axis left out: (10,), (1,), (16, 2).
        metric: Metric by which a model is chosen on valid: ``accuracy``, ``macro_f1`` or ``loss``.
    """

    kind: str
    loss: Any
    shape: tuple[int, ...]

    @property
    def metric(self) -> str:
        """Name of what MultiBench chooses a model by."""
        return {"classification": "accuracy", "multilabel": "macro_f1"}.get(self.kind, "loss")

    def loss_of(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of outputs ``(B, *shape)`` on labels as the loader gives them."""
        truth = truth.to(output.device)
        if isinstance(self.loss, nn.Module):
            self.loss.to(output.device)  # weights of classes
        if isinstance(self.loss, nn.CrossEntropyLoss):
            classes = (truth.squeeze(-1) if truth.ndim == output.ndim else truth).long()
            return torch.as_tensor(self.loss(output, classes))
        if truth.shape != output.shape and truth.numel() == output.numel():
            truth = truth.reshape(output.shape)  # (B,) against (B, 1) would be compared every one with every other
        return torch.as_tensor(self.loss(output, truth.to(output.dtype)))

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
        shape: Shape of the output for one sample.
        truth: Labels of a batch.

    Raises:
        InputError: labels that do not fit the output.
    """
    loss = objective if type(objective) in _PLAIN else _BY_TASK.get(kind, nn.MSELoss)()
    task = ScriptTask(kind, loss, shape)
    try:
        task.loss_of(torch.zeros(len(truth), *shape), truth)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = one_line(error)
        raise InputError(
            f"The script's {type(loss).__name__} does not fit outputs of shape (B, {', '.join(map(str, shape))}) and "
            f"labels of shape {tuple(truth.shape)}: {reason}."
        ) from error
    return task


def output_shape(
    encoders: Sequence[nn.Module],
    fusion: nn.Module,
    head: nn.Module | None,
    values: list[Tensor],
    lengths: list[Tensor] | None,
) -> tuple[int, ...]:
    """Shape of what the script's own network puts out for one sample, by one batch of its data.

    Args:
        encoders: One for each modality.
        fusion: Fusion of what the encoders return.
        head: Head on what the fusion returns; None gives the shape before the head.
        values: Values of a batch.
        lengths: Lengths of the series of the same batch where it is packed.

    Raises:
        InputError: the script's network fails on it.
    """
    whole = nn.ModuleList([*encoders, fusion, *([] if head is None else [head])])
    device = next((p.device for p in whole.parameters()), torch.device("cpu"))
    try:
        whole.to(device)
        with evaluating(whole):
            inputs = [value.float().to(device) for value in values]
            encoded = [encoder(x) for encoder, x in zip(encoders, as_given(inputs, lengths), strict=False)]
            fused, plain = fuse(fusion, encoded, lengths is not None)
            out = fused if head is None else head(fused if plain else [fused, lengths[0]])  # type: ignore[index]
            return tuple(locate(out, None)[0].shape[1:])
    except Exception as error:  # a stranger's modules may raise anything
        shapes = ", ".join(str(tuple(value.shape[1:])) for value in values)
        reason = one_line(error, 300)
        raise InputError(
            f"The script's own network fails on its first batch ({reason}); its samples have shapes {shapes}. Are "
            "these the data that the script was written for?"
        ) from error


def as_given(values: Sequence[Tensor], lengths: Sequence[Tensor] | None) -> list[Any]:
    """What MultiBench calls each encoder with: ``x``, or ``[x, lengths]`` where batches are packed."""
    return list(values) if lengths is None else [[x, steps] for x, steps in zip(values, lengths, strict=True)]


def fuse(fusion: nn.Module, encoded: Sequence[Any], packed: bool) -> tuple[Tensor, bool]:
    """What a fusion makes of what the encoders return, and whether these are plain tensors, as in MultiBench's model.

    Where they are not and the batches are packed, the first item of each is fused; a fusion that returns a tuple fuses
    to its first item.
    """
    plain = not packed or isinstance(encoded[0], Tensor)
    fused = fusion(list(encoded) if plain else [item[0] for item in encoded])
    return (fused[0] if isinstance(fused, tuple) else fused), plain
