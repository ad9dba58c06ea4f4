"""FactorCL: factorised contrastive learning of shared and unique information (arXiv:2306.05268; specification 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.losses.factorised import club_bound, nce_bound
from coral_plugin.networks import EncoderBuilders, module_key, tokenise
from coral_plugin.networks.alongside import EncoderCall, tokenise_ahead
from coral_plugin.networks.critics import ConcatCritic
from coral_plugin.networks.pooled import PooledEncoder
from coral_plugin.objectives.base import Objective, Step, over_batch, training_recipe

Pool = Literal["mean", "last"]
_HEADS = ("shared", "unique", "conditional", "shared_bound", "conditional_bound")
_MAIN = ("shared", "shared_bound", "unique", "conditional", "conditional_bound")


@dataclass(frozen=True, kw_only=True)
class FactorCLSettings:
    """Settings of FactorCL.

    Attributes:
        critic_hidden: Units of both hidden layers of the critics.
        pool: Tokens of a modality to one vector: ``mean`` over valid tokens, or the ``last`` valid one of series, as in
            the released code for its sequences (images and tables have no last token and keep the mean).
    """

    critic_hidden: int = 512
    pool: Pool = "mean"

    def __post_init__(self) -> None:
        if self.critic_hidden < 1:
            raise InputError(f"method.critic_hidden must be at least 1, got {self.critic_hidden}.")
        if self.pool not in get_args(Pool):
            raise InputError(f"method.pool is one of {', '.join(get_args(Pool))}, got {self.pool!r}.")


class FactorCL(Objective):
    """FactorCL learns what modalities share and what is unique to each, by bounds on their information from both sides.

    Six critics for each pair of modalities.

    Without labels: x is the un-augmented sample (images: the plain crop), x' one augmented copy of it. On Trifeature
    the published copy of the second image has the SimCLR recipe without the crop, which would take away what the
    images share; the preset ``trifeature`` has it, and on other images it is
    ``--augmentation NAME=color_jitter+grayscale+blur+flip``.

    Step A of the published alternation trains encoders, heads and NCE critics on the main loss and leaves the CLUB
    critics alone; step B trains only the CLUB critics, on the NCE bound of the same batch. Here both are one ``total``
    with one gradient: the scores of a CLUB critic are computed once, and go into the main loss with a gradient for the
    embeddings alone and into the critics' loss with one for the critic alone, so each parameter gets the gradient of
    its own step and of no other. The one difference: the
    critics see the embeddings before instead of after the encoders' update of the same step; otherwise it is the
    alternation with k = 1. It buys an exact resumption, any optimiser, and the same gradient on several processes,
    none of which a second optimiser and a second forward pass within a step would leave as they are.

    Both losses are unbounded below (the scores are neither normalised nor divided by a temperature, and CLUB is no
    bound while its critic lags behind), so the loss drifts to negative values and may diverge: the preset clips the
    norm of the gradient to 1, of all parameters together. That is ours, the published code does not clip.

    The paper has two modalities. For more, the loss is the sum of the two-modality loss over all pairs, each pair with
    heads and critics of its own, on one encoder a modality: our generalisation, equal to the paper's for two. A
    modality is then represented by its heads of all its pairs.
    """

    Settings = FactorCLSettings
    needs_raw = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Adam at 1e-4 without decay is the paper's, the batch COrAL's; the clipping is ours
        "paper": training_recipe(1e-4, 0.0, gradient_clip=1.0),
        "trifeature": training_recipe(1e-4, 0.0, epochs=150, gradient_clip=1.0)
        | {"augmentations": {"image1": "simclr", "image2": "color_jitter+grayscale+blur+flip"}},
    }

    def build(self, builders: EncoderBuilders) -> None:
        """An encoder for each modality, and heads and critics for each pair."""
        last = {m.name for m in self.modalities if m.temporal and self.settings.pool == "last"}
        self.encoders = nn.ModuleDict(
            {
                module_key(m.name): (LastEncoder if m.name in last else PooledEncoder)(
                    m, builders[m.name](), self.width
                )
                for m in self.modalities
            }
        )
        self.names = list(combinations([m.name for m in self.modalities], 2))
        self.pairs = nn.ModuleList(_Pair(self.width, self.settings.critic_hidden) for _ in self.names)

    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """``{modality: (B, 5 D)}``, its five heads side by side (for n modalities of all its pairs: 5 D (n - 1)).

        Zero where a sample lacks the modality.
        """
        return {name: self._part(batch, name) for name in batch}

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Terms of the main loss, with their signs, their sum ``main``, the critics' loss ``critics``, and ``total``.

        ``shared``, ``unique``, ``conditional`` are negative NCE bounds, ``shared_bound`` and ``conditional_bound`` CLUB
        bounds. ``critics`` is what the CLUB critics minimise; it says nothing of the representation.
        """
        samples = step.raw
        tokenise_ahead(
            EncoderCall(self.encoders[module_key(name)].tokens, batch, name)
            for batch in (samples, step.second)
            for name in samples
        )
        plain = {name: self.encoders[module_key(name)](samples) for name in samples}
        copies = {name: self.encoders[module_key(name)](step.second) for name in samples}
        terms_of_pairs = []
        for (a, b), pair in zip(self.names, self.pairs, strict=True):
            if a in plain and b in plain:
                present = (samples.all_present(a), samples.all_present(b), samples.all_present(a, b))
                terms_of_pairs.append(pair((plain[a], plain[b]), (copies[a], copies[b]), present))
        if not terms_of_pairs:
            raise InputError(f"factorcl trains on pairs of modalities, but the batch has only {', '.join(plain)}.")
        terms = {name: torch.stack([pair[name] for pair in terms_of_pairs]).sum() for name in (*_MAIN, "critics")}
        critics = terms.pop("critics")
        main = torch.stack(list(terms.values())).sum()
        return {**terms, "main": main, "critics": critics, "total": main + critics}

    def _part(self, batch: MultimodalBatch, name: str) -> Tensor:
        vector = self.encoders[module_key(name)](batch)
        heads = [
            pair.represent(vector, names.index(name))  # type: ignore[operator]
            for names, pair in zip(self.names, self.pairs, strict=True)
            if name in names
        ]
        part = torch.cat(heads, dim=1)
        present = batch.all_present(name)
        return part if present is None else part * present.unsqueeze(1)


class LastEncoder(PooledEncoder):
    """One series to one vector: the last valid token of its encoder."""

    def forward(self, batch: MultimodalBatch) -> Tensor:
        """``(B, D)``; zero for samples that lack the modality."""
        tokens, padding = tokenise(self.tokens, batch, self.name)
        if padding is None:
            return tokens[:, -1]
        last = (~padding).sum(dim=1).clamp(min=1) - 1
        return tokens[torch.arange(tokens.shape[0], device=tokens.device), last]


class _Pair(nn.Module):
    """Five heads for each of two modalities, four NCE critics and two CLUB critics; the loss of the pair."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.ModuleDict({name: _head(width) for name in _HEADS}) for _ in range(2))
        self.critics = nn.ModuleDict(
            {
                "shared": ConcatCritic(width, width, hidden),
                "unique_first": ConcatCritic(width, width, hidden),
                "unique_second": ConcatCritic(width, width, hidden),
                "conditional": ConcatCritic(2 * width, 2 * width, hidden),
            }
        )
        self.club_critics = nn.ModuleDict(
            {
                "shared_bound": ConcatCritic(width, width, hidden),
                "conditional_bound": ConcatCritic(2 * width, 2 * width, hidden),
            }
        )

    def represent(self, vector: Tensor, member: int) -> Tensor:
        """``(B, D)`` of one of the two modalities to its five heads side by side, ``(B, 5 D)``."""
        heads: Any = self.heads[member]
        return torch.cat([head(vector) for head in heads.values()], dim=1)

    def forward(
        self, plain: tuple[Tensor, Tensor], copies: tuple[Tensor, Tensor], present: tuple[Tensor | None, ...]
    ) -> dict[str, Tensor]:
        """Terms of the pair from encoded samples and copies, two ``(B, D)`` each; ``present``: first, second, both."""
        first, second, both = present

        def headed(name: str, encoded: tuple[Tensor, Tensor]) -> list[Tensor]:
            return [heads[name](vector) for heads, vector in zip(self.heads, encoded, strict=True)]  # type: ignore[index]

        def conditioned(name: str) -> list[Tensor]:
            # conditioning on x' is the head's output of x' next to that of x
            return [torch.cat(pair, dim=1) for pair in zip(headed(name, plain), headed(name, copies), strict=True)]

        bounded = {
            "shared_bound": headed("shared_bound", plain),
            "conditional_bound": conditioned("conditional_bound"),
        }
        unique = zip(headed("unique", plain), headed("unique", copies), strict=True)
        (one, one_copy), (two, two_copy) = unique
        clubs, critics = {}, []
        for name, (u, v) in bounded.items():
            # where no sample counts the loss is one zero, of both bounds
            values = over_batch(_club_and_nce(self.club_critics[name]), u, v, present=both, least=1).expand(2)
            clubs[name] = values[0]
            critics.append(-values[1])
        return {
            "shared": -over_batch(_nce(self.critics["shared"]), *headed("shared", plain), present=both, least=1),
            "unique": -over_batch(_nce(self.critics["unique_first"]), one, one_copy, present=first, least=1)
            - over_batch(_nce(self.critics["unique_second"]), two, two_copy, present=second, least=1),
            "conditional": -over_batch(
                _nce(self.critics["conditional"]), *conditioned("conditional"), present=both, least=1
            ),
            **clubs,
            "critics": torch.stack(critics).sum(),
        }


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _nce(critic: nn.Module) -> Any:
    return lambda u, v: nce_bound(critic(u, v))


def _club_and_nce(critic: Any) -> Any:
    """The CLUB bound, of which the critic gets no gradient, and the NCE bound, of which only the critic gets one."""

    def bounds(u: Tensor, v: Tensor) -> Tensor:
        of_embeddings, of_critic = critic.apart(u, v)
        return torch.stack([club_bound(of_embeddings), nce_bound(of_critic)])

    return bounds
