"""Objectives with one fault each, by the check that finds it; they can be imported, as the check of processes needs."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.losses import clip_loss, nt_xent
from coral_plugin.networks import NetworkSettings, module_key, tokenise
from coral_plugin.objectives import over_batch
from coral_plugin.objectives.clip import Clip
from coral_plugin.objectives.simclr import Simclr

CULPRITS = {}


def culprit(check):
    """Files the class under the check that finds its fault."""
    return lambda kind: CULPRITS.setdefault(check, []).append(kind) or kind


def with_total(total):
    return {"self": total, "total": total}


@dataclass
class Loose:
    temperature: float = 0.1


@dataclass(frozen=True)
class Bare:
    temperature: float


@culprit("settings")
class SettingsThatChange(Simclr):
    Settings = Loose


@culprit("settings")
class SettingsWithoutDefault(Simclr):
    Settings = Bare


@culprit("presets")
class MisspeltPreset(Simclr):
    presets: ClassVar = {"paper": {"method.temprature": 0.1}}


@culprit("presets")
class PresetOutOfRange(Simclr):
    presets: ClassVar = {"paper": {"method.temperature": -1.0}}


@culprit("construction")
class FailsOnThree(Simclr):
    def __init__(self, modalities, *rest):
        if len(modalities) > 2:
            raise KeyError("audio")
        super().__init__(modalities, *rest)


@dataclass(frozen=True, kw_only=True)
class SettingsInside(Simclr.Settings):
    inner: NetworkSettings = field(default_factory=NetworkSettings)


@culprit("settings")
class SettingsThatNoFileHolds(Simclr):
    Settings = SettingsInside


@culprit("construction")
class RefusesAll(Simclr):
    def __init__(self, modalities, *rest):
        raise InputError("There is no data that I like.")


@culprit("construction")
class NothingToTrain(Simclr):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.requires_grad_(False)


@culprit("needs_labels")
class TakesNoLabelsForLabels(Simclr):
    needs_labels = True

    def prepare(self, tasks):
        pass


@culprit("parts")
class OtherPartsInTraining(Simclr):
    def embed(self, batch):
        parts = super().embed(batch)
        return {**parts, "extra": parts["words"]} if self.training else parts


@culprit("parts")
class TokensAsParts(Simclr):
    def embed(self, batch):
        return {name: part.unsqueeze(1) for name, part in super().embed(batch).items()}


@culprit("subsets")
class NeedsAll(Simclr):
    def embed(self, batch):
        return {m.name: self.encoders[module_key(m.name)](batch) for m in self.modalities}


@culprit("evaluation")
class Noisy(Simclr):
    def embed(self, batch):
        return {name: part + 1e-3 * torch.randn_like(part) for name, part in super().embed(batch).items()}


@culprit("evaluation")
class CountsItsCalls(Simclr):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.register_buffer("calls", torch.zeros(()))

    def embed(self, batch):
        self.calls += 1
        return super().embed(batch)


@culprit("batch_independence")
class Centred(Simclr):
    def embed(self, batch):
        return {name: part - part.mean(dim=0) for name, part in super().embed(batch).items()}


@culprit("padding_values")
class LooksUnderPadding(Simclr):
    def embed(self, batch):
        means = {"mean": batch["words"].mean(dim=1)} if "words" in batch else {}
        return {**super().embed(batch), **means}


@culprit("padding_length")
class DividesByAllSteps(Simclr):
    def embed(self, batch):
        parts = super().embed(batch)
        if "words" in parts:
            tokens, padding = tokenise(self.encoders["m_words"].tokens, batch, "words")
            parts["words"] = (tokens * ~padding.unsqueeze(-1)).mean(dim=1)
        return parts


@culprit("missing_values")
class BelievesAllIsThere(Simclr):
    def embed(self, batch):
        return super().embed(replace(batch, present={}))


@culprit("missing_values")
class ContrastsTheAbsent(Simclr):
    def loss(self, step):
        first, second = (replace(view, present={}) for view in (step.first, step.second))
        return super().loss(step.replace(first=first, second=second))


@culprit("missing_samples")
class CountsTheMissing(Simclr):
    def loss(self, step):
        one, two = self.project_two(step.first, step.second, self.heads)
        terms = {name: over_batch(nt_xent, one[name], two[name]) for name in one}
        return {**terms, "total": torch.stack(list(terms.values())).mean()}


@culprit("missing_samples")
class CountsTheMissingInItsTotal(CountsTheMissing):
    def loss(self, step):
        return {"total": super().loss(step)["total"]}


@culprit("missing_samples")
class NormalisesTheMissing(Simclr):
    def project_two(self, first, second, heads):
        return [
            {name: heads[module_key(name)](part) for name, part in self.embed(batch).items()}
            for batch in (first, second)
        ]


@culprit("missing_samples")
class AveragesTheMissing(Simclr):
    def loss(self, step):
        terms = {name: part.square().mean() for name, part in self.embed(step.first).items()}
        return {**terms, "total": super().loss(step)["total"]}


@culprit("missing_samples")
class CountsTheMissingInPairs(Clip):
    def cross(self, batch):
        return over_batch(clip_loss, *list(self.projected(batch).values())[:2])


@culprit("unchanged")
class WritesIntoTheBatch(Simclr):
    def embed(self, batch):
        for name in batch:
            batch[name].clamp_(min=0)
        return super().embed(batch)


@culprit("saved_weights")
class KeepsATensorForItself(Simclr):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shift = torch.randn(8)

    def embed(self, batch):
        return {name: part + self.shift for name, part in super().embed(batch).items()}


@culprit("copies")
class HoldsALambda(Simclr):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.activation = lambda x: x


@culprit("loss_terms")
class NoTotal(Simclr):
    def loss(self, step):
        return {"self": super().loss(step)["self"]}


@culprit("loss_terms")
class TermForEachSample(Simclr):
    def loss(self, step):
        return with_total(self.embed(step.first)["words"].square().sum(dim=1))


@culprit("loss_terms")
class ReadsRawInSecret(Simclr):
    def loss(self, step):
        return super().loss(step.replace(first=step.raw))


@culprit("progress")
class InfiniteAtTheEnd(Simclr):
    def loss(self, step):
        return with_total(super().loss(step)["total"] / torch.tensor(1 - step.progress))


@culprit("gradient")
class HeadThatNobodyUses(Simclr):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.spare = nn.Linear(3, 3)


@culprit("gradient")
class DetachedEncoder(Simclr):
    def project_two(self, first, second, heads):
        return [
            {name: heads[module_key(name)](part.detach()) for name, part in self.embed(batch).items()}
            for batch in (first, second)
        ]


@culprit("learning")
class Climbs(Simclr):
    def loss(self, step):
        total = super().loss(step)["total"]
        return with_total(2 * total.detach() - total)


@culprit("two_samples")
class NeedsThree(Simclr):
    def loss(self, step):
        deviation = self.embed(step.first)["words"][:-1].std(dim=0).mean()
        return with_total(super().loss(step)["total"] + deviation)


@culprit("rare_modality")
class MeanOfNothing(Simclr):
    def loss(self, step):
        total = super().loss(step)["total"]
        for name, part in self.embed(step.first).items():
            present = step.first.all_present(name)
            total = total + (part if present is None else part[present]).square().mean()
        return with_total(total)


@culprit("half_precision")
class BypassesOverBatch(Simclr):
    def loss(self, step):
        one, two = (next(iter(self.projected(view).values())) for view in (step.first, step.second))
        return with_total((one @ two.T).diagonal().mean())


@culprit("seeded")
class DrawsFromElsewhere(Simclr):
    def loss(self, step):
        return with_total(super().loss(step)["total"] * (1 + torch.rand(())))


class ContrastsWithItsShareOnly(Simclr):
    """For the check of processes."""

    def loss(self, step):
        one, two = self.projected(step.first), self.projected(step.second)
        return with_total(torch.stack([nt_xent(one[name], two[name]) for name in one]).mean())


class DrawsMasks(Simclr):
    """Draws, and does not say under which settings it would not."""

    def loss(self, step):
        keep = torch.rand(step.first.size, 1, generator=step.generator) > 0.5
        masked = step.first.with_values({**step.first, "table": step.first["table"] * keep})
        return super().loss(step.replace(first=masked))
