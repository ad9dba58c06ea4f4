"""ONNX files of trained models."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.data.split_arrays import LENGTH, PRESENT
from coral_plugin.errors import InputError, PluginError, one_line
from coral_plugin.evaluation.features import device_of, evaluating
from coral_plugin.io.files import write_aside

OUTPUT = "representation"
_BATCH = 4  # samples that the exporter sees; the file takes any number
_OPSET = 18


def write_onnx(module: nn.Module, modalities: Iterable[Modality], path: Path, *, presence: bool) -> None:
    """Write the forward pass of ``module``, which takes a dict of tensors, in evaluation mode.

    Args:
        module: Module of ``{key: (B, ...)}`` to ``(B, D)``.
        modalities: Modalities that it takes.
        path: File to write.
        presence: Whether it takes ``<modality>/present``, too.

    Raises:
        PluginError: ``onnx`` or ``onnxscript`` is not installed.
        InputError: a network that cannot be exported.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PluginError(
            f"Export needs onnx and onnxscript: pip install 'coral-multibench[onnx]' ({error})."
        ) from error
    inputs = _example_inputs(modalities, device_of(module), presence=presence)
    batch = torch.export.Dim("batch", min=1)
    with evaluating(module), _silent(), write_aside(path) as aside:
        try:
            exported = torch.export.export(module, (inputs,), dynamic_shapes=({name: {0: batch} for name in inputs},))
            program: Any = torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=_OPSET,
                input_names=list(inputs),
                output_names=[OUTPUT],
                verbose=False,
            )
        except Exception as error:  # torch.export and the exporter raise dozens of types
            raise InputError(f"The model cannot be exported: {one_line(error.__cause__ or error)}.") from error
        program.save(aside, external_data=False)


def _example_inputs(modalities: Iterable[Modality], device: torch.device, *, presence: bool) -> dict[str, Tensor]:
    """A few samples with every modality, lengths of sequences, and flags with ``presence``."""
    inputs: dict[str, Tensor] = {}
    for modality in modalities:
        wide = torch.float64 if modality.offset is not None else torch.float32
        inputs[modality.name] = torch.zeros(_BATCH, *modality.shape, dtype=wide, device=device)
        if modality.kind == "sequence":
            inputs[f"{modality.name}/{LENGTH}"] = torch.ones(_BATCH, dtype=torch.int64, device=device)
        if presence:
            inputs[f"{modality.name}/{PRESENT}"] = torch.ones(_BATCH, dtype=torch.bool, device=device)
    return inputs


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the exporter's log and warnings to itself."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(before)
