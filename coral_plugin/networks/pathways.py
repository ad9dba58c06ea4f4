"""A modality's values to tokens, and all modalities' tokens to the shared representation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks.alongside import EncoderCall, tokenise_ahead
from coral_plugin.networks.batchnorm import synchronises
from coral_plugin.networks.factory import EncoderBuilders
from coral_plugin.networks.fusion import FusionTransformer
from coral_plugin.networks.heads import project_present
from coral_plugin.networks.masking import mask_tokens
from coral_plugin.networks.precision import autocasting
from coral_plugin.networks.rows import exporting, scatter_rows
from coral_plugin.networks.tokenizers import tokenizer_for


class TokenEncoder(nn.Module):
    """One modality's encoder and tokenizer: values ``(B, ...)`` to tokens ``(B, T, D)``.

    What the encoder returns (a vector, a sequence or a feature map, alone or first in a tuple) is found out with one
    probing batch, unless the encoder states the shape for one sample as ``encoded_shape``. An encoder whose
    ``accepts_padding`` is true is called with values and padding and may return ``(output, padding)``; any other is
    called with the values alone.

    An encoder may state a first stage without weights as its module ``fixed``, with a ``signature`` that says what it
    computes; ``learnt`` then takes what that returns. Encoders of several pathways compute it once for each batch.

    Args:
        modality: Modality to encode; values are scaled by its mean and standard deviation here, where it has them,
            unless the encoder ``wants_raw``.
        encoder: Any module.
        width: Token width D.

    Raises:
        InputError: the encoder fails on the modality's shape, or returns something that has no tokenizer.
    """

    def __init__(self, modality: Modality, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.modality = modality
        self.encoder = encoder
        self.width = width
        self.accepts_padding = bool(getattr(encoder, "accepts_padding", False))
        self.standardises = modality.mean is not None and not getattr(encoder, "wants_raw", False)
        shape = getattr(encoder, "encoded_shape", None)
        self.tokenizer = self._fitting_tokenizer(width) if shape is None else tokenizer_for(tuple(shape), width)

    def forward(self, values: Tensor, padding: Tensor | None = None, fixed: Any = None) -> tuple[Tensor, Tensor | None]:
        """Values ``(B, ...)`` and padding ``(B, T)`` or None to tokens ``(B, T', D)`` and their padding.

        ``fixed`` is the output of :meth:`fixed_stage` where the caller has it already.
        """
        if fixed is None:
            output, padding = self._encode(values, padding)
        else:
            output = self.encoder.learnt(fixed)  # type: ignore[operator]
        tokens = self.tokenizer(output)
        if padding is not None and (output.ndim != 3 or padding.shape[1] != tokens.shape[1]):
            padding = None  # the encoder has pooled the steps away
        return tokens, padding

    def draws(self, values: Tensor, padding: Tensor | None) -> list[tuple[torch.Size, float]] | None:
        """Shapes and probabilities of what dropout draws in a forward pass; None where they are not known.

        Example:
            >>> wave = Modality(name="wave", kind="timeseries", shape=(50, 3))
            >>> TokenEncoder(wave, nn.Linear(3, 16), width=8).draws(torch.ones(2, 50, 3), None) is None
            True
        """
        kind = type(self.encoder)
        known = getattr(self.encoder, "draws", None)
        # what a class says of its forward pass says nothing of another one's, nor of weights that are computed
        if known is None or _definer(kind, "draws") is not _definer(kind, "forward"):
            return None
        return None if any(map(is_parametrized, self.encoder.modules())) else known(values, padding)

    def fixed_stage(self, batch: MultimodalBatch) -> Any:
        """What the encoder computes of this batch without weights, kept with the batch; None for most encoders."""
        stage: Any = getattr(self.encoder, "fixed", None)
        if not hasattr(stage, "signature"):  # somebody else's encoder may have an attribute of this name
            return None
        values = batch[self.modality.name]
        if values.requires_grad:  # its graph would be kept too, for one backward pass only
            return None
        half = autocasting(values.device)
        key = (self.modality, self.standardises, type(stage), stage.signature, half)
        return batch.once(
            key, values, lambda: stage(self.modality.standardise(values) if self.standardises else values)
        )

    def _encode(self, values: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self.standardises:
            values = self.modality.standardise(values)
            if padding is not None:
                values = values.masked_fill(padding.unsqueeze(-1), 0.0)
        if not self.accepts_padding:
            output = self.encoder(values)
            return (output[0] if isinstance(output, tuple) else output), padding
        output = self.encoder(values, padding)
        return output if isinstance(output, tuple) else (output, padding)

    def _fitting_tokenizer(self, width: int) -> nn.Module:
        name = f"{type(self.encoder).__name__} of {self.modality.name!r}"
        modes = {module: module.training for module in self.encoder.modules()}
        self.encoder.eval()
        try:
            with torch.no_grad():
                output, _ = self._encode(torch.zeros(2, *self.modality.shape), None)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            takes = "; with accepts_padding = True its forward takes (values, padding)" if self.accepts_padding else ""
            raise InputError(
                f"Encoder {name} fails on a batch of shape (2, *{self.modality.shape}): {error}{takes}"
            ) from error
        finally:
            for module, training in modes.items():
                module.training = training
        if not isinstance(output, Tensor) or output.ndim not in (2, 3, 4) or len(output) != 2:
            seen = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"Encoder {name} must return (B, m), (B, T, m) or (B, C, h, w), got {seen} for a batch of 2."
            )
        return tokenizer_for(tuple(output.shape[1:]), width)


def _definer(kind: type, name: str) -> type | None:
    """The class whose method of this name an object of ``kind`` has."""
    return next((base for base in kind.__mro__ if name in vars(base)), None)


def token_encoders(modalities: Iterable[Modality], builders: EncoderBuilders, width: int) -> nn.ModuleDict:
    """A fresh :class:`TokenEncoder` for each modality, under its :func:`module_key`.

    Example:
        >>> wave = Modality(name="wave", kind="timeseries", shape=(50, 3))
        >>> photo = Modality(name="photo", kind="image", shape=(3, 32, 32))
        >>> builders = {"wave": lambda: nn.Linear(3, 16), "photo": lambda: nn.Conv2d(3, 16, 8, stride=8)}
        >>> encoders = token_encoders([wave, photo], builders, width=8)
        >>> tokens, padding = encoders[module_key("photo")](torch.rand(2, 3, 32, 32))
        >>> tokens.shape, padding  # one token for each cell of the 4 x 4 map
        (torch.Size([2, 16, 8]), None)
    """
    return nn.ModuleDict({module_key(m.name): TokenEncoder(m, builders[m.name](), width) for m in modalities})


def module_key(name: str) -> str:
    """A modality's name as a key of ``nn.ModuleDict``, which admits no dots and none of its own attributes.

    Different names have different keys.
    """
    return "m_" + name.replace("%", "%25").replace(".", "%2E")


def tokenise(encoder: Any, batch: MultimodalBatch, name: str) -> tuple[Tensor, Tensor | None]:
    """Tokens ``(B, T, D)`` of modality ``name`` and their padding ``(B, T)``.

    The encoder sees only the samples that have the modality; the tokens of the others are zero and padding. Where there
    are none it is not called, unless other processes wait for its share of the batch statistics.

    Example:
        >>> wave = Modality(name="wave", kind="timeseries", shape=(50, 3))
        >>> encoder = TokenEncoder(wave, nn.Linear(3, 16), width=8)
        >>> batch = MultimodalBatch({"wave": torch.ones(2, 50, 3)}, present={"wave": torch.tensor([True, False])})
        >>> tokens, padding = tokenise(encoder, batch, "wave")
        >>> tokens.shape, padding.all(dim=1), tokens[1].any()
        (torch.Size([2, 50, 8]), tensor([False,  True]), tensor(False))
    """
    padding, present = batch.padding.get(name), batch.present.get(name)
    ahead: tuple[Tensor, Tensor | None] | None = batch.take((encoder, name))
    if ahead is not None:
        return ahead
    if present is None:
        fixed = None if exporting() or not isinstance(encoder, TokenEncoder) else encoder.fixed_stage(batch)
        tokens, padding = encoder(batch[name], padding) if fixed is None else encoder(batch[name], padding, fixed)
        return tokens, padding
    if exporting():  # rows do not see each other outside of training
        tokens, padding = encoder(batch[name], padding)
        missing = ~present.unsqueeze(1)
        mask = missing.expand(-1, tokens.shape[1]) if padding is None else padding | missing
        return tokens.masked_fill(missing.unsqueeze(2), 0.0), mask
    rows = present.nonzero().squeeze(1)
    if not len(rows) and not synchronises(encoder):
        return batch[name].new_zeros(batch.size, 1, encoder.width), present.new_ones(batch.size, 1)
    tokens, padding = encoder(batch[name][rows], None if padding is None else padding[rows])
    mask = present.new_ones(batch.size, tokens.shape[1])
    mask[rows] = False if padding is None else padding
    return scatter_rows(tokens, rows, batch.size), mask


class SharedPathway(nn.Module):
    """Encoders, masking and fusion of all modalities: ``Z_SR`` of the paper.

    Args:
        modalities: Modalities to encode, in the order in which their tokens are concatenated.
        builders: Function that makes an encoder, for each modality.
        width: Token width D.
        depth: Blocks of the fusion.
        heads: Attention heads of the fusion.

    Example:
        >>> modalities = (
        ...     Modality(name="wave", kind="timeseries", shape=(50, 3)),
        ...     Modality(name="body", kind="tabular", shape=(2,)),
        ... )
        >>> builders = {"wave": lambda: nn.Linear(3, 16), "body": lambda: nn.Linear(2, 16)}
        >>> shared = SharedPathway(modalities, builders, width=32)
        >>> batch = MultimodalBatch({"wave": torch.ones(4, 50, 3), "body": torch.ones(4, 2)})
        >>> shared(batch).shape
        torch.Size([4, 32])
        >>> masked = shared(batch, {"wave": 0.5}, torch.Generator().manual_seed(0))  # half of the tokens of wave
        >>> torch.equal(masked, shared(batch))
        False
    """

    def __init__(
        self,
        modalities: tuple[Modality, ...],
        builders: EncoderBuilders,
        width: int,
        depth: int = 1,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.encoders = token_encoders(modalities, builders, width)
        self.fusion = FusionTransformer(width, depth, heads)

    def forward(
        self,
        batch: MultimodalBatch,
        mask_ratios: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The fused representation ``(B, D)``; ``mask_ratios`` names the modalities whose tokens are masked."""
        return self.fuse(*self.tokenise(batch), mask_ratios, generator)

    def fuse(
        self,
        tokens: Mapping[str, Tensor],
        padding: Mapping[str, Tensor | None],
        mask_ratios: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """:meth:`forward` from what :meth:`tokenise` returns."""
        ratios = mask_ratios or {}
        masked = {
            name: mask_tokens(values, ratios[name], generator) if name in ratios else values
            for name, values in tokens.items()
        }
        fused: Tensor = self.fusion(masked, padding)
        return fused

    def fuse_each(
        self,
        tokens: Mapping[str, Tensor],
        padding: Mapping[str, Tensor | None],
        batch: MultimodalBatch,
        head: nn.Module,
    ) -> dict[str, Tensor]:
        """Each modality by itself through the fusion and ``head``: ``{modality: (B, d)}``, zero where it is missing.

        Each by a call of its own, so that batch norm sees one modality at a time.
        """
        return {
            name: project_present(
                head, self.fusion({name: tokens[name]}, {name: padding[name]}), batch.all_present(name)
            )
            for name in tokens
        }

    def tokenise_ahead(self, *batches: MultimodalBatch) -> None:
        """Compute the tokens of these batches, in the order in which they are needed, where that is faster."""
        tokenise_ahead(EncoderCall(self.encoders[module_key(name)], batch, name) for batch in batches for name in batch)

    def tokenise(self, batch: MultimodalBatch) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
        """Tokens ``{modality: (B, T, D)}`` and their padding ``{modality: (B, T) or None}``, ready for ``fusion``."""
        pairs = {name: tokenise(self.encoders[module_key(name)], batch, name) for name in batch}
        return {name: tokens for name, (tokens, _) in pairs.items()}, {name: mask for name, (_, mask) in pairs.items()}
