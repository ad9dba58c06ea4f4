"""The authors' side of the twins: their class with our weights, its step, its embedding.

Their modules are imported from a checkout (``speed_reference.make_importable``) and take their own ``training_step``,
``configure_optimizers`` and ``extract_features``; dropout is set to 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from twins_classes import Classes
from twins_ours import EPOCH, EPOCHS, Ours, drawing, targets, weight

Terms = dict[str, Tensor]


def authors(ours: Ours, package: str, *, alternate: bool = False) -> Authors:
    """The other twin of ``ours``; ``package`` as for :class:`Classes`, ``alternate`` for FactorCL."""
    return AuthorsFactorCL(ours, package, alternate=alternate) if ours.method == "factorcl" else Authors(ours, package)


@contextmanager
def in_double() -> Iterator[None]:
    """Their ``.float()`` makes float64.

    It turns their padding mask to numbers, and torch 2.13's attention on a CPU reads a float32 mask beside float64
    queries as float64: wrong results without an error. In float32, where their code runs, all is well.
    """
    real = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.Tensor.float = real


class Authors:
    """The class of the authors with the same weights as ``ours``, and its optimiser.

    Args:
        ours: Our side; gives sizes, weights, views and the numbers that masks are drawn from.
        package: Package of their encoders (:class:`Classes`).
    """

    def __init__(self, ours: Ours, package: str) -> None:
        self.ours = ours
        shape = ours.shape
        network = ours.settings.network
        self.classes = Classes(
            ours.method, shape.modalities, ours.objective.width, network, shape.dataset, package, ours.one_token
        )
        self.module: Any = self.classes.build().double().train()
        for part in self.module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
        self.parameters = dict(self.module.named_parameters())
        with torch.no_grad():
            for name in ours.names.values():
                self.parameters[name].copy_(weight(name, self.parameters[name].shape))
        self.seen: dict[str, Any] = {}
        self.prepare()

    def prepare(self) -> None:
        """Optimiser, and a look at what the loss returns."""
        self.module.log = self.module.log_dict = lambda *_, **__: None
        self.module.loss.register_forward_hook(self._remember)
        if hasattr(self.module, "set_total_epochs"):  # what InfMasking's callbacks do
            self.module.set_current_epoch(EPOCH)
            self.module.set_total_epochs(EPOCHS)
        self.optimiser = self.module.configure_optimizers()

    def _remember(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self.seen.update(output if isinstance(output, dict) else {"loss": output})

    def backward(self, step: int) -> Terms:
        """Terms of the loss of one step, under our names; gradients lie at the parameters."""
        self.seen.clear()
        with drawing(self.draws(step)), in_double():
            total = self.module.training_step(self._batch(), step)
        self.optimiser.zero_grad()
        total.backward()
        terms = {**TERMS[self.ours.method](self.seen, list(self.ours.views["raw"])), "total": total}
        return {name: term.detach() for name, term in terms.items()}

    def update(self) -> None:
        """The step of the authors' optimiser."""
        self.optimiser.step()

    def embedding(self) -> Tensor:
        """What their ``extract_features`` returns in evaluation mode, ``(B, d)``."""
        raw = list(self.ours.views["raw"].values())
        self.module.eval()
        with in_double():
            features, _ = self.module.extract_features([(raw, torch.zeros(len(raw[0])))])
        self.module.train()
        return features.clone()

    def draws(self, step: int) -> list[Tensor]:
        """The numbers that their masks are drawn from, in the order in which their code draws them."""
        drawn = self.ours.draws(step)
        if self.ours.method != "infmasking":
            return drawn
        count = len(self.ours.shape.modalities)
        order: list[Tensor] = []
        for parts in (drawn[:count], drawn[count:]):  # of either view, (K, B, T) of each modality
            for part in parts:  # masks of each modality alone, which their code draws, fuses and throws away
                order.extend(part)
            order.extend(part[k] for k in range(len(parts[0])) for part in parts)
        return order

    def _batch(self) -> Any:
        first, second, raw = (list(self.ours.views[view].values()) for view in ("first", "second", "raw"))
        match self.ours.method:
            case "clip" | "cmc":
                return raw
            case "cross_self":
                return [*raw, *zip(first, second, strict=True)]
            case "supervised":
                return raw, targets(self.ours.shape)
        return [first, second]


def _coral(seen: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    del names
    return {
        "shared": seen["loss_fusion"],
        "unique": seen["loss_mod1"] + seen["loss_mod2"],
        "orthogonality": seen["loss_ortho_bmods"] + seen["loss_ortho_mod1"] + seen["loss_ortho_mod2"],
    }


def _comm(seen: Mapping[str, Any], names: Sequence[str], first: int = 0) -> dict[str, Any]:
    terms = [*(f"unimodal/{name}" for name in names), "joint"]
    return {name: seen[f"ssl_loss_{number}"] for number, name in enumerate(terms, start=first)}


def _infmasking(seen: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    # the released code counts the terms of the masks first
    return {"masked/first": seen["ssl_loss_0"], "masked/second": seen["ssl_loss_1"], **_comm(seen, names, first=2)}


TERMS: dict[str, Any] = {
    "coral": _coral,
    "comm": _comm,
    "infmasking": _infmasking,
    "clip": lambda seen, _: {"cross": seen["clip_loss"]},
    "cmc": lambda seen, _: {"cross": seen["loss"]},
    "cross_self": lambda seen, _: {"cross": seen["loss_cross"], "self": (seen["loss_mod1"] + seen["loss_mod2"]) / 2},
    "supervised": lambda seen, _: {"task/label": seen["loss"]},
}


class AuthorsFactorCL(Authors):
    """FactorCL: their class has no training step; the two losses of their training loop are taken here.

    Args:
        ours: Our side (:class:`Authors`).
        package: Package of their encoders (:class:`Classes`).
        alternate: Whether the critics of the upper bounds get their update after that of all else, as in their loop;
            otherwise both updates are of one moment, as in our code.
    """

    def __init__(self, ours: Ours, package: str, *, alternate: bool = False) -> None:
        self.alternate = alternate
        super().__init__(ours, package)

    def prepare(self) -> None:
        """Their optimisers, and a look at what the critics return."""
        self.others, self.critics = self.module.get_optims()
        for name in ("infonce_x1x2", "infonce_x1y", "infonce_x2y", "infonce_x1x2_cond", "club_x1x2", "club_x1x2_cond"):
            getattr(self.module, name).register_forward_hook(
                lambda _module, _inputs, output, name=name: self.seen.update({name: output})
            )

    def backward(self, step: int) -> Terms:
        """Their two losses; each parameter keeps the gradient of the loss that trains it."""
        del step
        raw, copies = (list(self.ours.views[view].values()) for view in ("raw", "second"))
        self.module.zero_grad()
        main = self.module(*raw, *copies)
        main.backward()
        if self.alternate:
            for optimiser in self.others:
                optimiser.step()
        bounds = [p for optimiser in self.critics for group in optimiser.param_groups for p in group["params"]]
        critics = self.module.learning_loss(*raw, *copies)
        for parameter, gradient in zip(bounds, torch.autograd.grad(critics, bounds), strict=True):
            parameter.grad = gradient
        seen = self.seen
        terms = {
            "shared": seen["infonce_x1x2"],
            "shared_bound": seen["club_x1x2"],
            "unique": seen["infonce_x1y"] + seen["infonce_x2y"],
            "conditional": seen["infonce_x1x2_cond"],
            "conditional_bound": seen["club_x1x2_cond"],
            "main": main,
            "critics": critics,
            "total": main + critics,
        }
        return {name: term.detach() for name, term in terms.items()}

    def update(self) -> None:
        """Steps of their optimisers."""
        for optimiser in [*([] if self.alternate else self.others), *self.critics]:
            optimiser.step()

    def embedding(self) -> Tensor:
        """Both halves of their ``get_embedding``."""
        with torch.no_grad():
            return torch.cat(self.module.get_embedding(*self.ours.views["raw"].values()), dim=1)
