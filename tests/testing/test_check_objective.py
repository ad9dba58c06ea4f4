"""check_objective: all of ours pass, and for every check there is an objective with a fault that it finds."""

import ast
from pathlib import Path

import pytest
import torch

import coral_plugin.testing
from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.objectives.clip import Clip
from coral_plugin.objectives.simclr import Simclr
from coral_plugin.registry import OBJECTIVES
from coral_plugin.testing import check_objective, list_checks, objective_checks
from coral_plugin.testing.processes import TOLERANCE, cases, compare_processes
from coral_plugin.testing.subject import Subject

from . import culprits

# critics as wide as the published ones cost ten times all the rest
SETTINGS = {"factorcl": {"critic_hidden": 32}}
OURS = [name for name in OBJECTIVES.names() if OBJECTIVES.get(name).__module__.startswith("coral_plugin.")]


def settings(name):
    return OBJECTIVES.get(name).Settings(**SETTINGS.get(name, {}))


# with four modalities everything costs as much as with two and three together
WITH_FOUR = {"construction", "parts", "subsets", "batch_independence", "missing_values", "loss_terms", "gradient"}


def every_check():
    for name in OURS:
        for check, run in objective_checks(name, settings=settings(name), modalities=(2, 3), skip=["processes"]):
            yield pytest.param(run, id=f"{name}-{check}")
        for check, run in objective_checks(name, settings=settings(name), modalities=(4,), skip=["processes"]):
            if check in WITH_FOUR:
                yield pytest.param(run, id=f"{name}-{check}-4")


@pytest.mark.parametrize("check", list(every_check()))
def test_ours(check):
    check()


@pytest.fixture(scope="module")
def in_two_processes():
    """``{objective: result of compare_processes}``, of all in one pair of processes, which takes seconds to start."""
    kinds = [name for name in OURS if OBJECTIVES.get(name).trains]
    every = {name: cases(Subject.of(name, settings(name))) for name in kinds}
    local = culprits.ContrastsWithItsShareOnly
    every[local] = cases(Subject.of(local))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])  # the other process imports tests.testing.culprits
        found = iter(compare_processes([case for each in every.values() for case in each]))
    return {kind: [next(found) for _ in each] for kind, each in every.items()}


@pytest.mark.parametrize("name", [name for name in OURS if OBJECTIVES.get(name).trains])
def test_ours_in_two_processes(name, in_two_processes):
    for off, tolerance in in_two_processes[name]:
        assert max(off.values()) <= tolerance == TOLERANCE[torch.float64]


def fault(kind, check, **chosen):
    """What the check says of the objective."""
    runs = dict(objective_checks(kind, **{"modalities": (2, 3), **chosen}))
    with pytest.raises(AssertionError) as caught:
        runs[check]()
    return str(caught.value)


@pytest.mark.parametrize(
    ("check", "kind"),
    [pytest.param(check, kind, id=kind.__name__) for check, kinds in culprits.CULPRITS.items() for kind in kinds],
)
def test_finds(check, kind):
    said = fault(kind, check)
    assert said.startswith(f"Check {check!r} of {kind.__name__}")
    assert ": expected " in said
    assert "; found " in said


def test_every_check_has_a_culprit():
    assert {*culprits.CULPRITS, "processes"} == set(list_checks())
    assert len(list_checks()) == len(set(list_checks()))


@pytest.mark.parametrize(
    ("check", "kind", "words"),
    [
        ("settings", culprits.SettingsWithoutDefault, "none for temperature"),
        (
            "settings",
            culprits.SettingsThatNoFileHolds,
            "inner is of type NetworkSettings, which config.yaml",
        ),
        ("presets", culprits.MisspeltPreset, "method.temprature"),
        ("construction", culprits.FailsOnThree, "found KeyError: 'audio'"),
        ("construction", culprits.RefusesAll, "There is no data that I like."),
        ("gradient", culprits.HeadThatNobodyUses, "none for spare.weight, spare.bias"),
        ("padding_values", culprits.LooksUnderPadding, "with words, image: expected embeddings"),
        ("copies", culprits.HoldsALambda, "lambda"),
    ],
)
def test_says_what_is_wrong(check, kind, words):
    assert words in fault(kind, check)


def test_a_loss_over_the_own_share_is_found(monkeypatch, in_two_processes):
    kind = culprits.ContrastsWithItsShareOnly
    monkeypatch.setattr("coral_plugin.testing.processes.compare_processes", lambda _: in_two_processes[kind])
    assert "gathers the rows of all processes); found relative differences: loss" in fault(kind, "processes")


def test_an_objective_that_cannot_be_sent_to_a_process_is_found():
    said = fault(culprits.HoldsALambda, "processes", modalities=(2,))
    assert "expected 2 processes that train together; found: training.devices = 2 starts processes" in said


def test_masks_that_would_differ_between_processes_are_found():
    said = fault(culprits.DrawsMasks, "processes", modalities=(3,))
    assert "draw nothing under the settings of `deterministic`" in said


def test_numbers_of_modalities_that_it_refuses_are_not_claimed():
    pair = Subject.of(Clip, modalities=(1, 2))
    assert [len(modalities) for modalities in pair.claimed] == [2]
    assert [len(modalities) for modalities in Subject.of(Simclr, modalities=(1, 5)).claimed] == [1, 5]


def test_a_floor_that_trains_nothing_has_no_checks_of_the_loss():
    names = [name for name, _ in objective_checks("concat_raw")]
    assert "parts" in names
    assert not {"gradient", "learning", "processes"} & set(names)
    check_objective("concat_raw", modalities=(1, 2))


def test_own_modalities_encoders_and_checks_left_out(monkeypatch):
    ran = []
    scan = (Modality(name="scan", kind="image", shape=(3, 5, 7)), Modality(name="age", kind="tabular", shape=(2,)))
    monkeypatch.setattr(Simclr, "embed", lambda self, batch: ran.append(list(batch)) or {})
    left_out = [name for name in list_checks() if name != "parts"]
    with pytest.raises(AssertionError, match=r"Check 'parts' of Simclr with scan, age: expected at least one part"):
        check_objective(Simclr, modalities=[scan], encoders={"age": torch.nn.Linear(2, 8)}, skip=left_out)
    assert ran == [["scan", "age"], ["scan", "age"]]
    assert isinstance(Subject.of(Simclr, encoders={"table": torch.nn.Tanh()}).build(
        Subject.of(Simclr, modalities=(3,)).candidates[0]
    ).encoders["m_table"].tokens.encoder, torch.nn.Tanh)  # fmt: skip


def test_unknown_names():
    with pytest.raises(InputError, match=r"Unknown check 'gradients'. Did you mean 'gradient'"):
        check_objective(Simclr, skip=["gradients"])
    with pytest.raises(InputError, match=r"Unknown objective 'simclrr'. Did you mean 'simclr'"):
        check_objective("simclrr")


@pytest.mark.parametrize("wrong", [None, 3, dict, Simclr.Settings])
def test_what_is_no_objective_is_said(wrong):
    with pytest.raises(AssertionError, match=r"expected a subclass of Objective; found"):
        check_objective(wrong)


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    dict(objective_checks(Simclr, modalities=(2,)))["seeded"]()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_needs_no_pytest():
    folder = Path(coral_plugin.testing.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in getattr(node, "names", [])] + [getattr(node, "module", "")]
            assert not any((name or "").startswith("pytest") for name in names), path


def returns(loss=None, embed=None, **attributes):
    """A method whose ``loss`` or ``embed`` returns something else."""
    if loss is not None:
        attributes["loss"] = lambda self, step: loss(Simclr.loss(self, step))
    if embed is not None:
        attributes["embed"] = lambda self, batch: embed(Simclr.embed(self, batch))
    return type("Returns", (Simclr,), attributes)


def fails(parts):
    assert not parts
    return parts


@pytest.mark.parametrize(
    ("check", "kind", "words"),
    [
        (
            "gradient",
            returns(loss=lambda terms: terms["total"]),
            "expected `loss` to return a dict of scalar tensors",
        ),
        ("learning", returns(loss=lambda terms: {"self": terms["self"]}), "'total'; found a dict of self"),
        ("seeded", returns(loss=lambda terms: {"total": terms["total"].view(1)}), "found total of shape (1,)"),
        ("seeded", returns(loss=lambda terms: {"total": 1.0}), "found total: float"),
        ("parts", returns(embed=lambda parts: {k: v.sum() for k, v in parts.items()}), "words of shape ()"),
        ("evaluation", returns(embed=lambda parts: list(parts.values())), "dict of tensors (8, d); found list"),
        ("parts", returns(embed=fails), "(test_check_objective.py, line"),
        ("parts", returns(embed=lambda parts: {k: v * torch.nan for k, v in parts.items()}), "found NaN in words"),
        ("presets", returns(presets={"short": {"method.temperature": "low"}}), "in preset 'short'; found method.temp"),
        (
            "presets",
            returns(deterministic={"method.temperature": 1.0}),
            "`deterministic`, whose keys are those of",
        ),
    ],
)
def test_what_is_returned_is_checked_first(check, kind, words):
    assert words in fault(kind, check)


def test_one_modality_is_tried_where_one_is_enough():
    counts = {kind: [len(m) for m in Subject.of(kind).claimed] for kind in (Simclr, Clip)}
    assert counts == {Simclr: [1, 2, 3, 4], Clip: [2, 3, 4]}
