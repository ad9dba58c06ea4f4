"""COrAL inside MultiBench's own loop: an objective ``objective(pred, truth, args)`` beside a supervised loss."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from coral_plugin.augmentations import build_augmenter
from coral_plugin.augmentations.pipeline import Augmenter
from coral_plugin.data import MultimodalBatch
from coral_plugin.data.modality import Kind
from coral_plugin.errors import InputError
from coral_plugin.multibench.encoders import MultiBenchEncoder, wrapped
from coral_plugin.multibench.layout import Batches
from coral_plugin.multibench.masking import masked
from coral_plugin.multibench.reading import first_batch, read_script
from coral_plugin.multibench.task import ScriptTask, as_given, fuse, output_shape
from coral_plugin.networks import NetworkSettings, UniquePathway, module_key, projection_head
from coral_plugin.networks.factory import default_width
from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.objectives.coral_terms import CoralSettings, coral_terms, view_masks
from coral_plugin.runs.settings import build
from coral_plugin.training.randomness import fold, generator, own_random_state

_MOST_BATCHES = 64  # from which kinds, scales and shapes are found out


class CoralObjective(nn.Module):
    """The COrAL terms of a MultiBench model, added to its supervised loss; :func:`coral_objective` makes one.

    In training, two augmented views of ``args["inputs"]`` go through the encoders and the fusion of ``args["model"]``;
    in between, each view has the encodings of its half of the modalities masked (steps of a sequence, cells of a map,
    features of a vector). What the fusion returns is the shared part. The unique parts come from encoders of their own,
    copies of the model's, which like the projection heads belong to this module: give it to ``train`` as one of the
    ``additional_optimizing_modules``. ``args["reps"]`` and ``args["fused"]``, which the model has made of the inputs as
    they are, stay what they were, and so do the statistics of its batch normalisations.

    In validation the loss is the supervised one alone: the mask ratio grows, and with it the terms, so they would
    choose an early model. Without a criterion it is the sum of the terms, on views that are the same in every epoch,
    unmasked.

    Args:
        encoders: ``{modality: encoder}`` of the unique pathways.
        batches: Batches of the loader.
        fused: Features of what the fusion returns for a sample.
        criterion: Loss of prediction and truth; None for none.
        weight: Weight of the COrAL terms.
        steps: Batches of the whole training, which the mask ratio grows over.
        settings: Settings of COrAL.
        network: Width of the unique pathways, size of the projection heads.
        augmenter: Augmenter that makes the two views of a batch.
        seed: Seed of views and masks.

    Attributes:
        terms: The unweighted terms of the last batch of training, and ``supervised``, for a log.
    """

    step: Tensor

    def __init__(
        self,
        encoders: Mapping[str, MultiBenchEncoder],
        batches: Batches,
        fused: int,
        *,
        criterion: Any,
        weight: float,
        steps: int,
        settings: CoralSettings,
        network: NetworkSettings,
        augmenter: Augmenter,
        seed: int,
    ) -> None:
        super().__init__()
        self.batches, self.settings, self.augmenter, self.seed = batches, settings, augmenter, seed
        self.criterion = None if criterion is None else ScriptTask("", criterion, ())
        self.weight, self.steps = weight, steps
        self.names = [modality.name for modality in batches.modalities]
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        width = network.width or default_width(batches.modalities)

        def head(features: int) -> nn.Module:
            return projection_head(features, network.head_hidden, network.head_output)

        keys = [module_key(name) for name in self.names]
        tokens = [TokenEncoder(m, encoders[m.name], width) for m in batches.modalities]
        pathways = [UniquePathway(width, settings.unique_pathway) for _ in tokens]
        self.unique_encoders = nn.ModuleDict(dict(zip(keys, tokens, strict=True)))
        self.unique = nn.ModuleDict(dict(zip(keys, pathways, strict=True)))
        self.shared_head = head(fused)
        heads = [head(pathway.output_width) for pathway in pathways]
        self.unique_heads = nn.ModuleDict(dict(zip(keys, heads, strict=True)))
        self.terms: dict[str, float] = {}
        self._validated = 0  # batches of validation since the last one of training

    @property
    def progress(self) -> float:
        """Share of the training that is over, in [0, 1]."""
        return min(1.0, int(self.step) / self.steps)

    def forward(self, pred: Tensor, truth: Tensor, args: dict[str, Any] | None) -> Tensor:
        """The loss of one batch, a scalar.

        Args:
            pred: Output of the model.
            truth: Labels as the loader gives them.
            args: Arguments of MultiBench's ``train``: ``inputs``, ``training`` and, from the first training batch on,
                ``model``.

        Raises:
            InputError: ``train`` was called without ``objective_args_dict={}``.
        """
        if args is None or "inputs" not in args:
            raise InputError("coral_objective needs the inputs of a batch: call train(..., objective_args_dict={}).")
        training = bool(args["training"])
        self.to(pred.device).train(training)  # MultiBench does neither for what is no part of its model
        supervised = pred.sum() * 0.0 if self.criterion is None else self.criterion.loss_of(pred, truth)
        place = int(self.step) if training else self._validated
        self._validated = 0 if training else self._validated + 1
        wanted = training or self.criterion is None
        if not wanted or args.get("model") is None or len(pred) < 2:  # one sample has no negatives
            return supervised
        stream = generator(self.seed, "loop" if training else "loop-valid", place, pred.device)
        with own_random_state(gpus=True):  # dropout of the terms leaves the script's stream as it was
            torch.manual_seed(fold(self.seed, "loop-dropout", place))
            terms = self.coral_terms(args["model"], args["inputs"], stream)
        if training:
            self.terms = {name: float(term.detach()) for name, term in {"supervised": supervised, **terms}.items()}
            self.step += 1
        return supervised + self.weight * terms["total"]

    def coral_terms(self, model: nn.Module, inputs: Sequence[Any], stream: torch.Generator) -> dict[str, Tensor]:
        """The terms of COrAL's loss on two views of a batch; masked in training only.

        Args:
            model: MultiBench's ``MMDL``.
            inputs: ``[x_1, ...]``, or ``([x_1, ...], [lengths_1, ...], ...)`` where batches are packed.
            stream: Source of what is drawn.
        """
        batch = self._batch(inputs, stream.device)
        views = [self.augmenter(batch, stream), self.augmenter(batch, stream)]
        masks = view_masks(self.settings, self.names, self.progress, stream) if self.training else ({}, {})
        projected = []
        with _statistics_kept(model):
            for view, mask in zip(views, masks, strict=True):
                parts = {"shared": self._shared(model, view, mask, stream), **self._unique(view)}
                heads = [self.shared_head, *self.unique_heads.values()]
                projected.append({name: head(part) for (name, part), head in zip(parts.items(), heads, strict=True)})
        return coral_terms(*projected, settings=self.settings)

    def represent(self, model: nn.Module, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """The parts ``shared`` and ``unique/<modality>`` of a batch, each ``(B, d)``, without augmentation or masks."""
        batch = self._batch(inputs, self.step.device)
        return {"shared": self._shared(model, batch, {}, None), **self._unique(batch)}

    def _batch(self, inputs: Sequence[Any], device: torch.device) -> MultimodalBatch:
        return self.batches.to_ours(inputs[:2] if self.batches.packed else inputs).to(device)

    def _unique(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        parts = {}
        for name in self.names:
            tokens, padding = self.unique_encoders[module_key(name)](batch[name], batch.padding.get(name))
            parts[f"unique/{name}"] = self.unique[module_key(name)](tokens, padding)
        return parts

    def _shared(
        self, model: Any, batch: MultimodalBatch, mask: Mapping[str, float], stream: torch.Generator | None
    ) -> Tensor:
        """What the model's own encoders and fusion make of a batch, ``(B, F)``; its ``reps`` stay as they are."""
        values, lengths = self.batches.to_theirs(batch)
        encoded = [encoder(x) for encoder, x in zip(model.encoders, as_given(values, lengths), strict=False)]
        for number, name in enumerate(self.names):
            if name in mask:
                unique_encoder: Any = self.unique_encoders[module_key(name)]
                encoded[number] = masked(encoded[number], unique_encoder.encoder.output, mask[name], stream)
        return fuse(model.fuse, encoded, self.batches.packed)[0].flatten(1)


def coral_objective(
    encoders: Sequence[nn.Module],
    fusion: nn.Module,
    loader: Iterable[Any],
    *,
    epochs: int,
    criterion: Any = None,
    weight: float = 1.0,
    is_packed: bool = False,
    kinds: Mapping[str, Kind] | None = None,
    augmentations: Any = "auto",
    network: NetworkSettings | None = None,
    seed: int = 0,
    **settings: Any,
) -> CoralObjective:
    """COrAL beside the supervised loss of MultiBench's ``train``, with the script's own encoders, fusion and head.

    ::

        from coral_plugin.multibench import coral_objective
        from training_structures.Supervised_Learning import train, test

        traindata, validdata, testdata = get_dataloader("mosi_raw.pkl")
        encoders = [GRU(35, 70, has_padding=True), GRU(74, 200, has_padding=True), GRU(300, 600, has_padding=True)]
        fusion, head = Concat(), MLP(870, 870, 1)
        objective = coral_objective(
            encoders, fusion, traindata, epochs=100, criterion=torch.nn.L1Loss(), weight=0.1, is_packed=True
        )
        train(
            encoders, fusion, head, traindata, validdata, 100, [objective], is_packed=True, task="regression",
            objective=objective, objective_args_dict={}, optimtype=torch.optim.AdamW, save="coral.pt",
        )
        test(torch.load("coral.pt"), testdata, is_packed=True, criterion=torch.nn.L1Loss(), ...)

    Call it before ``train``: the optimiser must find its parameters. Some batches of ``loader`` are read for that; the
    random state of torch is the same afterwards.

    Args:
        encoders: One for each modality, as they are given to ``train``; copies of them begin the unique pathways.
        fusion: Fusion module as it is given to ``train``.
        loader: The training loader.
        epochs: Number of training epochs, over which the mask ratio grows.
        criterion: ``CrossEntropyLoss()``, ``L1Loss()``, ... or a function of prediction and truth; None trains without
            labels, and wants ``task="regression"``: MultiBench then chooses by the objective.
        weight: Weight of the COrAL terms beside the criterion.
        is_packed: Whether series are packed, as it is given to ``train``.
        kinds: ``{"series_2": "tabular"}``, where the shapes do not tell the kind rightly.
        augmentations: Augmentations, as for :func:`coral_plugin.augmentations.build_augmenter`.
        network: Width of the unique pathways, size of the projection heads.
        seed: Seed of views, masks and the weights of unique pathways and heads.
        settings: Settings of COrAL: ``temperature=0.2``, ``masking="constant"``, ...

    Raises:
        InputError: encoders, fusion, loader or settings that do not fit each other.
    """
    if epochs < 1:
        raise InputError(f"epochs must be at least 1, got {epochs}.")
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"weight must be a number from 0 on, got {weight}.")
    if len(encoders) < 2:
        raise InputError(f"coral needs at least two modalities, got {len(encoders)} encoders.")
    method = build(CoralSettings, settings, "method")
    if method.alignment_weight:
        raise InputError("coral_objective sees the fused output alone, so method.alignment_weight must be 0 there.")
    if method.positives != "instance":
        raise InputError("coral_objective has its labels in the criterion; positives must be 'instance'.")
    with own_random_state(gpus=True):
        torch.manual_seed(fold(seed, "loop-weights"))
        batches = list(islice(loader, _MOST_BATCHES))
        values, lengths, _ = first_batch(batches, is_packed)
        script = read_script(batches, None, values, is_packed, kinds=kinds)
        fused = output_shape(encoders, fusion, None, values, lengths)
        return CoralObjective(
            wrapped(encoders, script.data, script.batches),
            script.batches,
            math.prod(fused),
            criterion=criterion,
            weight=weight,
            steps=epochs * _length(loader),
            settings=method,
            network=network or NetworkSettings(),
            augmenter=build_augmenter(augmentations, script.batches.modalities),
            seed=seed,
        )


def _length(loader: Iterable[Any]) -> int:
    if not isinstance(loader, Sized) or not len(loader):
        raise InputError("The loader must say how many batches it has, one at least: len(loader).")
    return len(loader)


@contextlib.contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Inside, batch normalisations of ``model`` normalise by the batch, and leave their running statistics alone."""
    norms = [module for module in model.modules() if isinstance(module, _NormBase)]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, momentum, tracked in before:
            norm.momentum, norm.num_batches_tracked = momentum, tracked
