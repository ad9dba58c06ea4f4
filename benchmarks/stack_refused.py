"""What ``torch.func.vmap`` says of the operations of this package that a model of several seeds would need."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import one_line
from coral_plugin.networks import tokenise
from coral_plugin.networks.dropout import dropout
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.encoders.images import SmallConv
from coral_plugin.networks.encoders.series import GRU
from coral_plugin.networks.feedforward import feed_forward
from coral_plugin.networks.masking import mask_tokens, partition
from coral_plugin.networks.pathways import TokenEncoder

_SEEDS, _BATCH = 2, 4
_SERIES = Modality(name="series", kind="sequence", shape=(6, 3))
_IMAGE = Modality(name="image", kind="image", shape=(3, 16, 16))


def _stacked(build: Callable[[], nn.Module], *inputs: Tensor) -> None:
    """Call as many fresh modules as there are seeds as one."""
    modules = [build() for _ in range(_SEEDS)]
    parameters, buffers = stack_module_state(modules)
    vmap(lambda p, b, *x: functional_call(modules[0], (p, b), x), randomness="different")(parameters, buffers, *inputs)


def _padded() -> None:
    lengths = torch.tensor([[6, 2, 3, 1], [4, 4, 2, 6]])
    padding = torch.arange(6) >= lengths.unsqueeze(-1)
    _stacked(lambda: AffectTransformer(_SERIES, 8, layers=1), torch.randn(_SEEDS, _BATCH, 6, 3), padding)


def _fused() -> None:
    first, second = nn.Linear(8, 16), nn.Linear(16, 8)
    vmap(lambda x: feed_forward(x, first, second))(torch.randn(_SEEDS, _BATCH, 8))


def _dropped() -> None:
    vmap(lambda x: dropout(x, 0.1, training=True), randomness="different")(torch.randn(_SEEDS, _BATCH, 8))


def _masked() -> None:
    stream = torch.Generator().manual_seed(0)
    vmap(lambda x: mask_tokens(x, 0.5, stream), randomness="different")(torch.randn(_SEEDS, _BATCH, 6, 8))


def _partitioned() -> None:
    def halves(x: Tensor) -> Tensor:
        first, _ = partition(["a", "b"], torch.Generator())
        return x * len(first)

    vmap(halves, randomness="different")(torch.randn(_SEEDS, _BATCH))


def _missing() -> None:
    encoder = TokenEncoder(_SERIES, nn.Linear(3, 8), 8)
    present = torch.tensor([[True, False, True, True], [True, True, False, False]])

    def tokens(x: Tensor, mask: Tensor) -> Tensor:
        return tokenise(encoder, MultimodalBatch({"series": x}, present={"series": mask}), "series")[0]

    vmap(tokens)(torch.randn(_SEEDS, _BATCH, 6, 3), present)


TRIED: dict[str, Callable[[], None]] = {
    "affect_transformer, packed steps of padded samples": _padded,
    "affect_transformer, feed-forward in cache (an autograd.Function)": _fused,
    "dropout by random bytes": _dropped,
    "masks of COrAL from the seed's generator": _masked,
    "modalities that each view masks": _partitioned,
    "samples that lack a modality": _missing,
    "small_conv, channels innermost": lambda: _stacked(
        lambda: SmallConv(_IMAGE, 8), torch.randn(_SEEDS, _BATCH, 3, 16, 16)
    ),
    "small_conv, oriented energies": lambda: _stacked(
        lambda: SmallConv(_IMAGE, 8, orientations=4), torch.randn(_SEEDS, _BATCH, 3, 16, 16)
    ),
    "gru": lambda: _stacked(lambda: GRU(_SERIES, 8), torch.randn(_SEEDS, _BATCH, 6, 3)),
    "batch normalisation, its running statistics in place": lambda: _stacked(
        lambda: nn.BatchNorm1d(8), torch.randn(_SEEDS, _BATCH, 8)
    ),
}


def refusals() -> dict[str, str]:
    """``{operation: reason}`` in torch's words; an empty reason where ``vmap`` takes it."""
    reasons = {}
    for name, call in TRIED.items():
        try:
            call()
            reasons[name] = ""
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            reasons[name] = one_line(error, 200)
    return reasons
