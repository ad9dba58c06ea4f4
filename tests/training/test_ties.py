"""What the engine gives a method and what the log says of it: progress, two views, masks by view, labels."""

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality, ModalityColumn, Split
from coral_plugin.losses import nt_xent
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import coral_terms
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.objectives.infmasking import InfMasking, InfMaskingSettings
from coral_plugin.registry import OBJECTIVES
from coral_plugin.training.engine import Engine
from coral_plugin.training.step import TrainingStep

NAMES = ("x", "y", "z")
THREE = tuple(Modality(name=name, kind="tabular", shape=(6,)) for name in NAMES)
NETWORK = NetworkSettings(width=8, heads=2, head_hidden=8, head_output=8)
EPOCHS, STEPS = 8, 24  # three steps an epoch


def three(settings=None, cls=Coral):
    return lambda: cls(THREE, NETWORK, settings or cls.Settings())


@pytest.fixture
def trained(run, monkeypatch):
    """``trained(build)``: the training, ``(batch, step)`` as prepared, and the steps as given to ``loss``."""
    generator = torch.Generator().manual_seed(0)
    columns = {name: ModalityColumn(torch.randn(40, 6, generator=generator)) for name in NAMES}
    split = Split(columns, {"label": torch.arange(40) % 3})
    augmenter = build_augmenter("noise@1", THREE)  # no view is the sample itself

    def call(build, **settings):
        prepared, given, prepare = [], [], TrainingStep.prepare

        def prepare_and_keep(self, batch, number):
            prepared.append((batch, prepare(self, batch, number)))
            return prepared[-1][1]

        monkeypatch.setattr(TrainingStep, "prepare", prepare_and_keep)

        def spied():
            objective = build()
            loss = objective.loss
            objective.loss = lambda step: (given.append(step), loss(step))[1]
            return objective

        result = run(build=spied, split=split, augmenter=augmenter, **{"epochs": EPOCHS, **settings})
        return result, prepared, given

    return call


@pytest.fixture
def shared_calls(monkeypatch):
    """``(view, {modality: mask ratio})`` of every call of the shared pathway, two a step."""
    from coral_plugin.networks import SharedPathway

    batches, seen, tokenise, fuse = [], [], SharedPathway.tokenise, SharedPathway.fuse

    def tokenised(self, batch):
        batches.append(batch)
        return tokenise(self, batch)

    def fused(self, tokens, padding, mask_ratios=None, generator=None):
        seen.append((batches[-1], mask_ratios))
        return fuse(self, tokens, padding, mask_ratios, generator)

    monkeypatch.setattr(SharedPathway, "tokenise", tokenised)
    monkeypatch.setattr(SharedPathway, "fuse", fused)
    return seen


def test_the_loss_gets_two_different_views_of_the_samples_and_the_progress(trained):
    _, prepared, given = trained(three())
    assert len(given) == len(prepared) == STEPS
    for number, ((batch, made), step) in enumerate(zip(prepared, given, strict=True)):
        assert step is made  # Lightning hands it on as it is
        assert step.progress == number / STEPS
        first, second = step.first, step.second
        assert step.raw is first
        assert torch.equal(first.index, second.index)
        for name in NAMES:
            assert not torch.equal(first[name], second[name])
            for view in (first, second):
                difference = view[name] - batch[name]
                assert difference.ne(0).all()
                assert difference.std().item() == pytest.approx(0.1, rel=0.4)


def test_each_view_goes_through_the_networks_with_masks_of_its_own(trained, shared_calls, monkeypatch):
    """View 1 masks M_1 and view 2 the others (specification 2.1): M_1 is the first half that is drawn."""
    halves, partition = [], coral_terms.partition
    monkeypatch.setattr(coral_terms, "partition", lambda *args: (halves.append(partition(*args)), halves[-1])[1])
    _, prepared, _ = trained(three())
    assert len(halves) == STEPS
    assert len({tuple(sorted(half)) for half, _ in halves}) == 6
    ratios = [ratio for ratio in (0.05, 0.35, 0.55, 0.75) for _ in range(6)]
    for (_, made), half, ratio, one, two in zip(
        prepared, halves, ratios, shared_calls[::2], shared_calls[1::2], strict=True
    ):
        assert one[0] is made.first
        assert two[0] is made.second
        assert (one[1], two[1]) == (dict.fromkeys(half[0], ratio), dict.fromkeys(half[1], ratio))
        assert sorted([*one[1], *two[1]]) == list(NAMES)


def test_a_fixed_partition_masks_the_first_half_in_the_first_view(trained, shared_calls):
    _, prepared, _ = trained(three(CoralSettings(mask_partition="fixed")))
    for (_, made), one, two in zip(prepared, shared_calls[::2], shared_calls[1::2], strict=True):
        assert one[0] is made.first
        assert two[0] is made.second
        assert (list(one[1]), list(two[1])) == (["x", "y"], ["z"])


def test_the_unique_pathways_see_both_views(trained, monkeypatch):
    seen, unique = [], Coral._unique
    monkeypatch.setattr(Coral, "_unique", lambda self, *args: (seen.append(args), unique(self, *args))[1])
    _, prepared, _ = trained(three(), epochs=1)
    expected = [(view, name) for _, made in prepared for view in (made.first, made.second) for name in NAMES]
    assert len(seen) == len(expected)
    assert all(a is b and m == n for (a, m), (b, n) in zip(seen, expected, strict=True))


@pytest.mark.parametrize("orthogonality", ["cosine", "squared_cosine"])
def test_the_terms_that_are_logged_are_those_of_what_the_heads_put_out(trained, monkeypatch, orthogonality):
    """Every pair of the shared and the unique parts, in both views; every part against itself in the other view."""
    settings = CoralSettings(orthogonality=orthogonality, orthogonality_weight=3.0)
    outputs = []

    def build():
        coral = Coral(THREE, NETWORK, settings)
        for head in (coral.shared_head, *coral.unique_heads.values()):
            head.register_forward_hook(lambda *args: outputs.append(args[2].detach()))
        return coral

    result, _, _ = trained(build, epochs=1, batch_size=40)  # one step
    assert len(outputs) == 8
    first, second = outputs[:4], outputs[4:]

    def penalty(a, b):
        cosine = F.normalize(a) @ F.normalize(b).T
        each = cosine.diagonal()
        return (each.clamp(min=0) if orthogonality == "cosine" else each.square()).mean()

    orthogonal = sum(penalty(view[i], view[j]) for view in (first, second) for i, j in combinations(range(4), 2))
    contrast = [nt_xent(a, b, temperature=0.1) for a, b in zip(first, second, strict=True)]
    (row,) = result.history
    assert row["loss/orthogonality"] == pytest.approx(orthogonal.item(), rel=1e-5)
    assert row["loss/shared"] == pytest.approx(contrast[0].item(), rel=1e-5)
    assert row["loss/unique"] == pytest.approx(sum(contrast[1:]).item(), rel=1e-5)
    assert row["loss/total"] == pytest.approx((sum(contrast) + 3 * orthogonal).item(), rel=1e-5)


def test_the_log_has_the_mask_ratio_that_the_tokens_were_masked_with(trained, shared_calls):
    result, _, _ = trained(three())
    used = [set(mask.values()) for _, mask in shared_calls]
    for epoch, row in enumerate(result.history):
        assert used[6 * epoch : 6 * epoch + 6] == [{row["mask_ratio"]}] * 6
    assert [row["mask_ratio"] for row in result.history] == [0.05, 0.05, 0.35, 0.35, 0.55, 0.55, 0.75, 0.75]


def test_the_log_has_the_covariance_weight_that_the_bound_was_computed_with(trained, monkeypatch):
    from coral_plugin.objectives import infmasking

    used, bound = [], infmasking.masked_bound

    def spy(*args, covariance_weight, **more):
        used.append(covariance_weight)
        return bound(*args, covariance_weight=covariance_weight, **more)

    monkeypatch.setattr(infmasking, "masked_bound", spy)
    result, _, _ = trained(three(InfMaskingSettings(covariance_scale=2.0, masks=2), InfMasking))
    assert used == pytest.approx([2.0 * step / STEPS for step in range(STEPS) for _ in range(2)])
    assert [row["covariance_weight"] for row in result.history] == used[5::6]


def test_what_is_logged_cannot_be_computed_beside_the_loss(trained, monkeypatch):
    """A method that is told another progress says so."""
    monkeypatch.setattr(TrainingStep, "forward", _at_the_start(TrainingStep.forward))
    result, _, _ = trained(three())
    assert {row["mask_ratio"] for row in result.history} == {0.05}


def _at_the_start(forward):
    def stopped(self, step):
        return forward(self, step.replace(progress=0.0))

    return stopped


def test_the_learning_rate_in_the_log_is_the_optimisers(trained, monkeypatch):
    rates, one = [], Engine._take_step

    def spy(self, *args):
        result = one(self, *args)
        rates.append([group["lr"] for group in self.optimiser.param_groups])
        return result

    monkeypatch.setattr(Engine, "_take_step", spy)
    result, _, _ = trained(three(), schedule="cosine")
    assert len({rate for rate, _ in rates}) > STEPS / 2
    assert [[row["learning_rate"]] * 2 for row in result.history] == rates[2::3]


@pytest.mark.parametrize(("positives", "wanted"), [("instance", []), ("class", ["label"])])
def test_labels_reach_only_objectives_that_need_them(trained, positives, wanted):
    from coral_plugin.data import Task

    def build():
        coral = Coral(THREE, NETWORK, CoralSettings(positives=positives))
        coral.prepare((Task(name="label", kind="classification", classes=("a", "b", "c")),))
        return coral

    _, prepared, given = trained(build, epochs=1)
    assert prepared
    for (batch, _), step in zip(prepared, given, strict=True):
        assert list(batch.targets) == ["label"]
        assert [list(view.targets) for view in (step.first, step.second)] == [wanted] * 2


PAIR = tuple(Modality(name=name, kind="image", shape=(3, 16, 16)) for name in ("left", "right"))


def pictures(objective, plain="auto", steps=3):
    """What is prepared of three batches of images for ``objective``."""
    split = Split({m.name: ModalityColumn(torch.rand(8, 3, 16, 16)) for m in PAIR}, {})
    training = TrainingStep(objective, build_augmenter("auto", PAIR, plain), 41, 3)
    batch = split.batch(torch.arange(8))
    return batch, [training.prepare(batch, step) for step in range(steps)]


def test_methods_with_an_unaugmented_branch_get_it_with_the_plain_crop():
    torch.manual_seed(0)
    clip = OBJECTIVES.get("clip")(PAIR, NETWORK, OBJECTIVES.get("clip").Settings())
    batch, made = pictures(clip)
    for each in made:
        assert all((each.raw[name] != batch[name]).flatten(1).any(dim=1).sum() >= 6 for name in batch)
    assert not torch.equal(made[0].raw["left"], made[1].raw["left"])
    batch, again = pictures(clip)
    torch.manual_seed(1)
    assert torch.equal(again[2].raw["left"], TrainingStep(
        clip, build_augmenter("auto", PAIR), 41, 3).prepare(batch, 2).raw["left"])  # fmt: skip


def test_the_unaugmented_branch_does_not_change_what_else_is_drawn():
    torch.manual_seed(0)
    clip, coral = (OBJECTIVES.get(name)(PAIR, NETWORK, OBJECTIVES.get(name).Settings()) for name in ("clip", "coral"))
    states = []
    for objective, plain in ((clip, "auto"), (clip, "none"), (coral, "auto")):
        torch.manual_seed(2)
        _, made = pictures(objective, plain)
        assert (made[0].raw is made[0].first) == (objective is coral)
        states.append([(each.first["left"], each.second["right"], each.generator.get_state()) for each in made])
    for one, other in ((states[0], states[1]), (states[0], states[2])):
        assert all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_the_plain_image_is_an_option():
    torch.manual_seed(0)
    clip = OBJECTIVES.get("clip")(PAIR, NETWORK, OBJECTIVES.get("clip").Settings())
    batch, made = pictures(clip, "none")
    assert all(torch.equal(each.raw[name], batch[name]) for each in made for name in batch)


def test_seeds_and_steps_have_views_of_their_own():
    """Else the seeds of a run would be one training, and their deviation would say nothing."""
    rows = Split({name: ModalityColumn(torch.ones(4, 6)) for name in NAMES}, {}).batch(torch.arange(4))

    def first(seed, step):
        return TrainingStep(three()(), build_augmenter("noise@1", THREE), seed, STEPS).prepare(rows, step).first["x"]

    assert torch.equal(first(1, 0), first(1, 0))
    assert not torch.equal(first(1, 0), first(2, 0))
    assert not torch.equal(first(1, 0), first(1, 1))
