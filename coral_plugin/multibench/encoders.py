"""Any module as MultiBench calls it, as the encoder of a pathway; and MultiBench's own by name."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalData
from coral_plugin.errors import InputError
from coral_plugin.multibench.layout import Batches, Form, padded, steps_of
from coral_plugin.multibench.outputs import Output, find_output, stretched

_PROBE = 3


class MultiBenchEncoder(nn.Module):
    """A module that takes ``x``, or ``[x, lengths]``, as the encoder of a pathway.

    It is given what MultiBench would give it: 32-bit floats in the script's units, series of full length with zeros
    behind, and, where it is packed, their lengths on the CPU, each at least 1. So what it makes of a sample does not
    depend on the other samples of a batch. What it returns is found out with a probing batch: a vector, a sequence with
    the samples or the time first, a feature map, a tuple or list of which one item is that, lengths beside it, or a
    ``PackedSequence``. Padding is carried to the tokens where time is.

    From Python a function makes one for each pathway::

        fit(arrays, encoders={"vision": lambda modality, width: MultiBenchEncoder(GRU(20, 128), modality)})

    Args:
        module: Used as it is, not copied.
        modality: Modality that it encodes.
        form: Form of its values for the module, where that differs from ours.
        packed: Whether the module takes ``[x, lengths]``.
        probe: At least three samples ``(B, ...)`` as they are held here; drawn from the modality's mean and standard
            deviation where there are none.
        item: Index of the encoding in a tuple or list, where the rule of :func:`outputs.locate` is wrong.

    Attributes:
        encoded_shape: Shape of the encoding of one sample.
        wants_raw: Whether values are left in the script's units. A module without parameters, as ``Identity``, has no
            units of its own and gets them standardised.

    Raises:
        InputError: the module fails on the probing batch, or returns no encoding.

    Example:
        >>> vision = Modality(name="vision", kind="sequence", shape=(50, 20))
        >>> gru = MultiBenchEncoder(nn.GRU(20, 128, batch_first=True), vision)  # returns (steps, last state)
        >>> gru.encoded_shape
        (50, 128)
        >>> padding = torch.arange(30).expand(4, 30) >= 25
        >>> encoding, padding = gru(torch.zeros(4, 30, 20), padding)
        >>> encoding.shape, padding.sum(dim=1)
        (torch.Size([4, 30, 128]), tensor([5, 5, 5, 5]))
    """

    accepts_padding = True

    def __init__(
        self,
        module: nn.Module,
        modality: Modality,
        *,
        form: Form | None = None,
        packed: bool = False,
        probe: Tensor | None = None,
        item: int | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.modality = modality
        self.form = form
        self.packed = packed
        self.wants_raw = next(module.parameters(), None) is not None
        values = self._full(_drawn(modality, module) if probe is None else probe[:_PROBE])

        def call(count: int, steps: int | None) -> Any:
            cut = values[:count] if steps is None else values[:count, :steps]
            return self._call(cut, None)

        try:
            self.output: Output = find_output(module, call, modality.shape[0] if modality.temporal else None, item)
        except InputError as error:
            raise InputError(f"Encoder {type(module).__name__} of {modality.name}: {error}.") from error
        self.encoded_shape = self.output.shape

    def forward(self, values: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Values ``(B, ...)`` and padding ``(B, T)`` to the encoding ``(B, *encoded_shape)`` and its padding."""
        count = len(values)
        if count == 1:  # a module may squeeze a single sample's axis away
            values = values.repeat(2, *[1] * (values.ndim - 1))
            padding = None if padding is None else padding.repeat(2, 1)
        full = self._full(values)
        whole = None if padding is None else F.pad(padding, (0, full.shape[1] - padding.shape[1]), value=True)
        encoded, lengths = self.output.encoding(self._call(full, whole), len(full))
        if self.output.steps is None:
            return encoded[:count], None
        if encoded.shape[1] == full.shape[1]:  # what was added behind is padding in every sample
            encoded, whole = encoded[:, : values.shape[1]], padding
        if lengths is not None:
            whole = padded(encoded, lengths.to(encoded.device))
        elif whole is not None:
            whole = stretched(whole, encoded.shape[1])
        return encoded[:count], None if whole is None else whole[:count]

    def _full(self, values: Tensor) -> Tensor:
        """Series as long as the longest of the data."""
        missing = self.modality.shape[0] - values.shape[1] if self.modality.temporal else 0
        return F.pad(values, (0, 0, 0, missing)) if missing > 0 else values

    def _call(self, values: Tensor, padding: Tensor | None) -> Any:
        raw = values.float() if self.form is None else self.form.theirs(values.float())
        if not self.packed:
            return self.module(raw)
        return self.module([raw, steps_of(values, padding)])


def wrapped(
    modules: Sequence[nn.Module], data: MultimodalData, batches: Batches, leave: Container[str] = ()
) -> dict[str, MultiBenchEncoder]:
    """Copies of a script's encoders, by modality, each found out about with samples of its own data.

    Args:
        modules: One for each modality; where there are more, the last ones are for nothing.
        data: Data of the script.
        batches: Batches of the script.
        leave: Modalities that need none.
    """
    index = torch.arange(_PROBE) % len(data.train)  # a sample twice is as good as three
    probe = data.train.batch(index)
    return {
        modality.name: MultiBenchEncoder(
            copy.deepcopy(module).cpu(), modality, form=form, packed=batches.packed, probe=probe[modality.name]
        )
        for module, modality, form in zip(modules, batches.modalities, batches.forms, strict=False)
        if modality.name not in leave
    }


def _drawn(modality: Modality, module: nn.Module) -> Tensor:
    """Three samples of a normal distribution: zeros might be divided by."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    values = torch.randn(_PROBE, *modality.shape, generator=torch.Generator().manual_seed(0), device="cpu").to(device)
    return values if modality.kind == "image" else modality.restore(values)
