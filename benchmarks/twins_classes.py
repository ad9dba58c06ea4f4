"""The authors' classes, built from their modules with the values of their scripts; none of their code is here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.networks import NetworkSettings

# values of the released scripts, configurations and READMEs: rate, decay, and what the loss and the masks take
SCRIPTS: dict[tuple[str, str], tuple[float, float, dict[str, Any]]] = {
    ("coral", ""): (1e-4, 1e-3, {"temperature": 0.1, "ortho_weights": 10, "unique_weights": 1, "shared_weights": 1}),
    ("coral", "trifeature"): (1e-4, 1e-3, {"temperature": 0.1, "ortho_weights": 1}),
    ("comm", ""): (1e-3, 1e-2, {"temperature": 0.1}),
    ("comm", "trifeature"): (3e-4, 1e-4, {"temperature": 0.1}),
    ("infmasking", ""): (1e-3, 1e-2, {"temperature": 0.1, "mask_lambda": 0.25, "mask_ratio": 0.8, "num_mask": 5}),
    ("infmasking", "mimic"): (
        3e-4, 1e-2,
        {"temperature": 0.2, "mask_lambda": 1, "mask_ratio": 0.8, "num_mask": 6, "weights": [1, 1, 1, 1, 5]},
    ),
    ("infmasking", "trifeature"): (
        3e-4, 1e-4, {"temperature": 0.1, "mask_lambda": 1, "mask_ratio": 0.7, "num_mask": 6},
    ),
    # COrAL's authors trained it with this rate, their script is not published; on Trifeature CoMM's configuration
    ("clip", ""): (1e-3, 1e-2, {}),
    ("clip", "trifeature"): (3e-4, 1e-4, {}),
    ("cross_self", ""): (3e-4, 1e-4, {"temperature": 0.1, "ssl_scale": 1}),
    ("cmc", ""): (1e-4, 1e-3, {"temperature": 0.1}),  # rate and decay are ours, theirs are not known
    ("supervised", ""): (1e-4, 1e-3, {}),  # likewise
    ("factorcl", ""): (1e-4, 0.0, {}),
}  # fmt: skip


class Vector(nn.Module):
    """The authors' encoder and adapter, and the mean of its tokens or the last of them: one vector."""

    def __init__(self, encoder: nn.Module, adapter: nn.Module | None, *, last: bool = False) -> None:
        super().__init__()
        self.encoder, self.adapter, self.last = encoder, adapter, last

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to ``(B, D)``."""
        tokens = self.encoder(x)
        if self.adapter is not None:
            tokens = self.adapter(tokens)
        return tokens[:, -1] if self.last else tokens.mean(dim=1)


@dataclass(frozen=True)
class Classes:
    """Their classes for one method and shape.

    Attributes:
        method: Registered name of ours.
        modalities: Modalities in order.
        width: Token width D.
        network: Sizes of our heads, which theirs get: 512 and 256 in their scripts.
        dataset: Data set of the script (``SCRIPTS``).
        package: Package of their encoders, ``modules`` (COrAL) or ``models`` (CoMM, InfMasking).
        one_token: Whether a table becomes one token of the width.
    """

    method: str
    modalities: tuple[Modality, ...]
    width: int
    network: NetworkSettings
    dataset: str
    package: str
    one_token: bool = False

    @property
    def script(self) -> tuple[float, float, dict[str, Any]]:
        """Learning rate, weight decay and options."""
        return SCRIPTS.get((self.method, self.dataset)) or SCRIPTS[self.method, ""]

    def build(self) -> nn.Module:
        """An instance of their class, with weights of its own."""
        rate, decay, options = self.script
        optimiser = {"lr": rate, "weight_decay": decay}
        if self.method == "factorcl":
            kind = self._class("multibench_model", "FactorCLSSL")
            return kind(self._vectors(), [self.width, self.width], y_ohe_dim=2, lr=rate)
        if self.method in ("clip", "cross_self", "cmc"):
            return self._flat(optimiser, options)
        parts = {
            "encoders": [self._encoder(m) for m in self.modalities],
            "input_adapters": [self._adapter(m) for m in self.modalities],
            "embed_dim": self.width,
        }
        if self.method == "coral":
            return self._coral(parts, optimiser, options)
        if self.method == "infmasking":
            masks = {name: options[name] for name in ("mask_ratio", "num_mask")}
            loss = {name: value for name, value in options.items() if name not in masks}
            kind = self._class("pl_modules.infmasking", "InfMasking")
            fusion = self._class("models.inffusion", "InfFusion")(**parts, **masks)
        else:
            loss = {"temperature": 0.1}
            kind = self._class("pl_modules.comm", "CoMM")
            fusion = self._class("models.mmfusion", "MMFusion")(**parts)
        built = kind(encoder=fusion, projection=self._head(kind, self.width), optim_kwargs=optimiser, loss_kwargs=loss)
        return self._supervised(built, optimiser) if self.method == "supervised" else built

    def _coral(self, parts: Mapping[str, Any], optimiser: Mapping[str, float], options: Mapping[str, Any]) -> nn.Module:
        kind, width = self._class("modules.coral", "COrAL"), self.width
        pathways = [  # as their main scripts have them
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width // 2))
            for _ in self.modalities
        ]
        return kind(
            encoder=self._class("modules.mmfusion", "MMFusion")(**parts, lin_layers=pathways),
            projection=self._head(kind, width),
            uni_projection=self._head(kind, width // 2),
            optim_kwargs=optimiser,
            loss_kwargs=options,
            asym_masking=True,
        )

    def _flat(self, optimiser: Mapping[str, float], options: Mapping[str, Any]) -> nn.Module:
        encoders = self._vectors()
        if self.method == "cross_self":
            comm = self._class("pl_modules.comm", "CoMM")  # its head is the one that their configuration names
            heads = [self._head(comm, self.width) for _ in encoders]
            return self._class("pl_modules.cross_self", "CrossSelf")(*encoders, *heads, optimiser, options)
        heads = [nn.Linear(self.width, self.network.head_output, bias=False) for _ in encoders]
        if self.method == "clip":
            return self._class("pl_modules.clip", "CLIP")(*encoders, optimiser, *heads)
        return self._class("pl_modules.cmc", "CMC")(encoders, heads, optimiser, options)

    def _supervised(self, comm: nn.Module, optimiser: Mapping[str, float]) -> nn.Module:
        module = importlib.import_module("pl_modules.supervised")
        for name in ("MultilabelAccuracy", "F1Score"):  # built on a GPU, and not used in a training step
            setattr(module, name, lambda *_, **__: _Nowhere())
        # their class loads a finished run of CoMM; here it gets the model itself
        kind = type("Given", (module.SupervisedClassifier,), {"_parse_ckpt": lambda *_: (comm, self.width)})
        return kind(None, 3, optimiser, model="bce_with_logits")

    def _encoder(self, m: Modality, *, vector: bool = False) -> nn.Module:
        match m.kind:
            case "sequence":
                kind = self._class(f"{self.package}.transformer", "Transformer")
                return kind(n_features=m.features, dim=self.width, max_seq_length=50, positional_encoding=False)
            case "tabular":
                kind = self._class(f"{self.package}.mlp", "MLP")
                return kind(indim=m.shape[0], hiddim=10, outdim=self.width if self.one_token else 10)
            case "timeseries":
                kind = self._class(f"{self.package}.gru", "GRU")
                return kind(indim=m.features, hiddim=self.width, batch_first=True)
        kind = self._class(f"{self.package}.alexnet", "AlexNetEncoder")
        return kind(latent_dim=self.width if vector else 256, dropout=0.5, global_pool="avg" if vector else "")

    def _adapter(self, m: Modality) -> nn.Module | None:
        place = f"{self.package}.input_adapters"
        if m.kind == "tabular" and self.one_token:
            return self._class(place, "SimpleFeaturesInputAdapter")()
        if m.kind == "tabular":
            return self._class(place, "FeaturesInputAdapter")(n_features=10, dim_tokens=self.width)
        if m.kind == "image":
            sizes = {"num_channels": 256, "stride_level": 1, "patch_size_full": 1, "image_size": 6}
            return self._class(place, "PatchedInputAdapter")(**sizes, dim_tokens=self.width)
        return None

    def _vectors(self) -> list[nn.Module]:
        """Encoders that end in a vector."""
        return [
            self._encoder(m, vector=True)
            if m.kind == "image"
            else Vector(self._encoder(m), self._adapter(m), last=self.method == "factorcl" and m.temporal)
            for m in self.modalities
        ]

    def _head(self, kind: Any, width: int) -> nn.Module:
        head: nn.Module = kind._build_mlp(width, self.network.head_hidden, self.network.head_output)
        return head

    @staticmethod
    def _class(module: str, name: str) -> Any:
        return getattr(importlib.import_module(module), name)


class _Nowhere:
    """A metric that is not used."""

    def to(self, device: str) -> None:
        """Nothing is moved."""
