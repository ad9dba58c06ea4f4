"""Specifications: who gets what, with which coins; and the errors of a wrong one."""

import pytest
import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.augmentations.base import applicable, augmentation
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.registry import AUGMENTATIONS

VISION = Modality(name="vision", kind="sequence", shape=(20, 4))
TEXT = Modality(name="text", kind="sequence", shape=(30, 5))
IMU = Modality(name="imu", kind="timeseries", shape=(16, 6))
FORCE = Modality(name="force", kind="timeseries", shape=(16, 4))
TABLE = Modality(name="table", kind="tabular", shape=(7,))
PHOTO = Modality(name="photo", kind="image", shape=(3, 8, 8))
GRAY = Modality(name="gray", kind="image", shape=(1, 8, 8))
ALL = [VISION, TEXT, IMU, FORCE, TABLE, PHOTO, GRAY]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def make(modalities, size=6, padded=False):
    values = {m.name: torch.rand(size, *m.shape, generator=gen(i)) * 0.8 + 0.1 for i, m in enumerate(modalities)}
    padding = {}
    for m in modalities if padded else []:
        if m.kind == "sequence":
            length = torch.randint(1, m.shape[0] + 1, (size, 1), generator=gen(11))
            padding[m.name] = torch.arange(m.shape[0]) >= length
            values[m.name] = values[m.name].masked_fill(padding[m.name].unsqueeze(-1), 0)
    return MultimodalBatch(values, padding, {"label": torch.arange(size)}, torch.arange(size))


def changed(view, batch, name):
    """Which samples differ, ``(B,)``."""
    return (view[name] != batch[name]).flatten(1).any(dim=1)


def test_default_by_kind():
    described = build_augmenter({}, ALL).describe()
    assert described == {
        "vision": "drop@0.5+noise@0.5 (coins shared with text)",
        "text": "drop@0.5+noise@0.5 (coins shared with vision)",
        "imu": "jitter@0.5+scale@0.5+rotate@0.5+slice@0.5",
        "force": "jitter@0.5+scale@0.5+slice@0.5",
        "table": "noise@0.5",
        "photo": "simclr@1",
        "gray": "simclr@1",
    }
    assert build_augmenter("auto", ALL).describe() == described
    mixed = build_augmenter({"vision": "noise", "text": "auto"}, [VISION, TEXT]).describe()
    assert mixed == {"vision": "noise@0.5", "text": "drop@0.5+noise@0.5"}


@pytest.mark.parametrize("spec", [{}, "auto", "noise", "none|noise", "none"])
def test_everything_but_the_values_stays(spec):
    batch = make(ALL, padded=True)
    before = {name: value.clone() for name, value in batch.items()}
    augmenter = build_augmenter(spec, ALL)
    one, two = augmenter(batch, gen(1)), augmenter(batch, gen(1))
    assert all(torch.equal(batch[name], value) for name, value in before.items())
    assert all(torch.equal(one[name], two[name]) for name in batch)
    assert list(one) == list(batch)
    assert one.padding is batch.padding
    assert one.targets is batch.targets
    assert one.index is batch.index
    for name, value in one.items():
        assert value.shape == batch[name].shape
        assert value.dtype == batch[name].dtype
        assert value.data_ptr() != batch[name].data_ptr()
    for name, mask in batch.padding.items():
        assert not one[name][mask].any()


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_augmenter({}, ALL)(make(ALL), gen())
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(5)
    one = build_augmenter({}, ALL)(make(ALL))
    torch.manual_seed(5)
    assert torch.equal(one["imu"], build_augmenter({}, ALL)(make(ALL))["imu"])


def test_two_views_differ():
    batch, stream, augmenter = make(ALL), gen(), build_augmenter({"vision": "noise@1"}, ALL)
    first, second = augmenter(batch, stream), augmenter(batch, stream)
    assert changed(first, second, "vision").all()


def test_a_batch_of_one_with_one_step():
    short = [Modality(name="s", kind="sequence", shape=(1, 3)), Modality(name="t", kind="tabular", shape=(1,))]
    for name in applicable(short[1]):
        view = build_augmenter(f"{name}@1", short)(make(short, size=1), gen())
        assert all(torch.isfinite(value).all() for value in view.values())


@pytest.mark.parametrize("modality", ALL, ids=lambda m: m.name)
def test_every_name_runs_or_says_what_does(modality):
    batch = make([modality])
    for name in AUGMENTATIONS.names():
        if name in applicable(modality):
            view = build_augmenter(name, [modality])(batch, gen())
            assert torch.isfinite(view[modality.name]).all()
        else:
            with pytest.raises(InputError, match=f"modality {modality.name!r}.*these do: "):
                build_augmenter(name, [modality])


@pytest.mark.parametrize("modality", ALL, ids=lambda m: m.name)
def test_everything_stays_on_the_device_of_the_batch(modality):
    # a tensor without data cannot meet one of the CPU, nor be read: neither mixed devices nor a wait for the device
    batch = make([modality], padded=True).to("meta")
    for name in applicable(modality):
        assert build_augmenter(name, [modality])(batch)[modality.name].device.type == "meta"


@pytest.mark.parametrize("name", ["shift", "pose", "spectrogram_warp"])
def test_what_moves_an_image_moves_every_one(name):
    augmenter = build_augmenter(name, [GRAY])
    assert augmenter.describe() == {"gray": f"{name}@1"}
    batch = make([GRAY], 200)
    assert changed(augmenter(batch, gen()), batch, "gray").all()


def test_each_element_applies_to_half_of_the_samples():
    size = 4000
    batch = make([VISION], size)
    view = build_augmenter("drop+noise", [VISION])(batch, gen())
    share = 1 - changed(view, batch, "vision").float().mean().item()
    # a quarter by the coins, and drops whose share rounds to no step at all
    assert share == pytest.approx(0.25 + 0.25 * 0.5 / 20 / 0.8, abs=0.03)
    noisy = build_augmenter("noise", [VISION])(batch, gen())
    assert changed(noisy, batch, "vision").float().mean().item() == pytest.approx(0.5, abs=0.03)
    rare = build_augmenter("noise@0.1", [VISION])(batch, gen())
    assert changed(rare, batch, "vision").float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert not changed(build_augmenter("noise@0", [VISION])(batch, gen()), batch, "vision").any()
    assert changed(build_augmenter("noise@1", [VISION])(batch, gen()), batch, "vision").all()


def test_elements_compose_from_left_to_right():
    batch = make([VISION], 50)
    hidden = build_augmenter("noise@1+drop(fraction=0.5)@1", [VISION])(batch, gen())["vision"]
    assert ((hidden == 0).all(dim=2).sum(dim=1) == 10).all()
    covered = build_augmenter("drop(fraction=0.5)@1+noise@1", [VISION])(batch, gen())["vision"]
    assert not (covered == 0).any()
    assert ((covered.abs() < 0.5).all(dim=2).sum(dim=1) >= 10).all()


def test_joint_coins_are_shared_and_mapped_ones_are_not():
    both = [VISION, TEXT, TABLE]
    batch = make(both, 2000)
    joint = build_augmenter("noise", both)(batch, gen())
    coins = [changed(joint, batch, m.name) for m in both]
    assert torch.equal(coins[0], coins[1])
    assert torch.equal(coins[0], coins[2])
    apart = build_augmenter({"vision": "noise", "text": "noise", "table": "noise"}, both)(batch, gen())
    agree = changed(apart, batch, "vision") == changed(apart, batch, "text")
    assert agree.float().mean().item() == pytest.approx(0.5, abs=0.04)
    # the default shares between sequences alone
    auto = build_augmenter({}, both)(batch, gen())
    assert (changed(auto, batch, "vision") == changed(auto, batch, "text")).float().mean() > 0.95
    assert (changed(auto, batch, "vision") == changed(auto, batch, "table")).float().mean() < 0.6


def gone(view, name):
    return (view[name].abs() < 0.05).all(dim=2)


def test_drop_draws_its_steps_for_each_modality_and_multi_drop_once():
    twin = Modality(name="twin", kind="sequence", shape=(20, 9))
    batch = make([VISION, twin], 100)
    for spec, same in (("drop@1", False), ("multi_drop@1", True), ("multi_drop@1+noise(std=0.001)@1", True)):
        view = build_augmenter(spec, [VISION, twin])(batch, gen())
        assert gone(view, "vision").any()
        assert torch.equal(gone(view, "vision"), gone(view, "twin")) is same


def test_multi_drop_with_other_lengths_keeps_to_the_share():
    batch = make([VISION, TEXT], 40, padded=True)
    view = build_augmenter("multi_drop(fraction=0.5)@1", [VISION, TEXT])(batch, gen())
    for name, mask in batch.padding.items():
        lost = (gone(view, name) & ~mask).sum(dim=1)
        expected = torch.tensor([round(0.5 * n) for n in (~mask).sum(dim=1).tolist()])
        assert torch.equal(lost, expected)


def test_a_choice_takes_exactly_one():
    batch = make([VISION, TEXT], 3000)
    view = build_augmenter("none|drop(fraction=0.5)|negate", [VISION, TEXT])(batch, gen())
    same = ~changed(view, batch, "vision")
    turned = (view["vision"] == -batch["vision"]).flatten(1).all(dim=1)
    dropped = (gone(view, "vision").sum(dim=1) == 10) & (
        (view["vision"] == batch["vision"]).float().mean((1, 2)) == 0.5
    )
    assert (same.int() + turned.int() + dropped.int() == 1).all()
    for part in (same, turned, dropped):
        assert part.float().mean().item() == pytest.approx(1 / 3, abs=0.03)
    assert torch.equal(same, ~changed(view, batch, "text"))


def test_amplitudes_are_in_units_of_the_modality():
    mean, std = (100.0, -5.0, 0.0), (10.0, 0.01, 1.0)
    series = Modality(name="s", kind="timeseries", shape=(50, 3), mean=mean, std=std)
    table = Modality(name="t", kind="tabular", shape=(3,), mean=mean, std=std)
    values = torch.randn(400, 50, 3, generator=gen()) * torch.tensor(std) + torch.tensor(mean)
    batch = MultimodalBatch({"s": values, "t": values[:, 0]})
    view = build_augmenter("noise@1", [series, table])(batch, gen())
    torch.testing.assert_close(
        (view["s"] - batch["s"]).std(dim=(0, 1)) / torch.tensor(std), torch.full((3,), 0.1), rtol=0.05, atol=0
    )
    torch.testing.assert_close(
        (view["t"] - batch["t"]).std(dim=0) / torch.tensor(std), torch.full((3,), 0.1), rtol=0.2, atol=0
    )
    filled = build_augmenter("drop(fraction=1.0)@1", [series, table])(batch, gen())
    torch.testing.assert_close(filled["s"], torch.tensor(mean).expand(400, 50, 3))
    # a rotation happens in space, not among scaled axes
    turned = build_augmenter("rotate@1", [series])(batch.select(["s"]), gen())["s"]
    torch.testing.assert_close(turned.norm(dim=2), values.norm(dim=2))


def test_padding_of_a_scaled_sequence_stays_zero():
    modality = Modality(name="vision", kind="sequence", shape=(20, 4), mean=(3.0,) * 4, std=(2.0,) * 4)
    batch = make([modality], padded=True)
    view = build_augmenter("drop@1+noise@1+slice@1", [modality])(batch, gen())
    assert not view["vision"][batch.padding["vision"]].any()
    assert view["vision"][~batch.padding["vision"]].abs().min() > 0


def test_own_function_gets_values_lengths_and_generator():
    seen = []

    def double(values, lengths, generator):
        seen.append((lengths, generator))
        return values.mul_(2)

    batch, stream = make([VISION, TEXT], padded=True), gen()
    before = batch["vision"].clone()
    augmenter = build_augmenter({"vision": double}, [VISION, TEXT])
    view = augmenter(batch, stream)
    assert torch.equal(view["vision"], before * 2)
    assert torch.equal(batch["vision"], before)
    assert torch.equal(seen[0][0], (~batch.padding["vision"]).sum(dim=1))
    assert seen[0][1] is stream
    assert "double" in augmenter.describe()["vision"]
    assert build_augmenter({"table": lambda v, lengths, g: v}, [TABLE])(make([TABLE]), None)["table"].shape == (6, 7)
    cut = build_augmenter({"vision": lambda v, lengths, g: v[:, 1:]}, [VISION])
    with pytest.raises(InputError, match="must keep shape and type"):
        cut(make([VISION]), gen())


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (lambda values: values.transpose(1, 2).contiguous(), r"float32 \(6, \d+, \d+\)"),
        (lambda values: values[:, 1:], r"float32 \(6, \d+, \d+\)"),
        (lambda values: values.double(), r"float64 \(6, \d+, \d+\)"),
        (lambda values: None, "NoneType"),
    ],
)
@pytest.mark.parametrize("registered", [True, False])
def test_what_an_augmentation_makes_has_the_shape_and_type_of_what_it_was_given(change, made, registered):
    def broken(values, lengths, generator):
        return change(values)

    form = augmentation("sequence")(broken) if registered else broken
    what = "Augmentation broken" if registered else "The augmentation"
    with pytest.raises(InputError, match=f"^{what} of modality 'vision' made {made} of float32 .* must keep shape and"):
        build_augmenter({"vision": form}, [VISION])(make([VISION]), gen())


def test_colour_on_gray_images_is_refused_by_name():
    with pytest.raises(InputError, match="'grayscale' does not apply to modality 'gray'"):
        build_augmenter("resized_crop+grayscale", [PHOTO, GRAY])


def test_batch_of_other_modalities_is_refused():
    with pytest.raises(InputError, match="built for vision; the batch has text"):
        build_augmenter("noise", [VISION])(make([TEXT]), gen())


def test_settings_reach_the_operation():
    batch = make([VISION], 500)
    view = build_augmenter("noise( std = 1e+1 )@1", [VISION])(batch, gen())
    assert (view["vision"] - batch["vision"]).std().item() == pytest.approx(10, rel=0.02)
    described = build_augmenter("drop(fraction=(0.1, 0.2))@0.3+noise", [VISION]).describe()
    assert described == {"vision": "drop(fraction=(0.1, 0.2))@0.3+noise@0.5"}


def test_names_by_modality():
    tabular = ["crop", "drop", "drop_consecutive", "mixup", "multi_drop", "noise", "none", "permute"]
    assert applicable(TABLE) == tabular
    assert "simclr" in applicable(PHOTO)
    assert "rotate" in applicable(IMU)
    assert "rotate" not in applicable(FORCE)


def test_what_happens_to_every_sample_is_not_chosen_and_changes_no_later_draw():
    batch = make([PHOTO, TABLE], size=8)
    certain = build_augmenter({"photo": "resized_crop@1+flip", "table": "none@1+noise"}, [PHOTO, TABLE])
    chosen = build_augmenter({"photo": "resized_crop@0.9999999+flip", "table": "none@0.9999999+noise"}, [PHOTO, TABLE])
    ours, theirs = certain(batch, gen(4)), chosen(batch, gen(4))
    assert all(torch.equal(ours[name], theirs[name]) for name in batch)
    assert all(ours[name].data_ptr() != batch[name].data_ptr() for name in batch)


def test_an_augmentation_that_returns_its_input_leaves_the_batch_to_itself():
    batch = make([TABLE])
    same = augmentation("tabular", probability=1.0)(lambda values, _lengths, _generator: values)
    view = build_augmenter({"table": same}, [TABLE])(batch, gen())
    assert view["table"].data_ptr() != batch["table"].data_ptr()
    assert torch.equal(view["table"], batch["table"])


@pytest.mark.parametrize("spec", ["simclr", "noise", "resized_crop", "pose", "flip"])
def test_images_of_any_scale_are_seen_as_shares_of_their_range(spec):
    """The view of 16-bit values is that of the same picture in [0, 1], in their unit."""
    picture = torch.rand(6, 3, 12, 12)
    picture[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    views = {}
    for low, high in ((0.0, 1.0), (-200.0, 5000.0)):
        modality = Modality(name="a", kind="image", shape=(3, 12, 12), bounds=(low, high))
        batch = MultimodalBatch({"a": picture * (high - low) + low})
        view = build_augmenter(f"{spec}@1", [modality])(batch, torch.Generator().manual_seed(0))["a"]
        views[low] = (view - low) / (high - low)
    assert views[0.0].std() > 0.05
    assert torch.allclose(views[0.0], views[-200.0], atol=1e-3)


def test_an_image_of_any_scale_that_nothing_happens_to_keeps_its_bits():
    modality = Modality(name="a", kind="image", shape=(1, 4, 4), bounds=(-2.5, 3.1))
    values = torch.randn(5, 1, 4, 4)
    assert torch.equal(build_augmenter("none", [modality])(MultimodalBatch({"a": values}))["a"], values)
    constant = Modality(name="a", kind="image", shape=(1, 4, 4), bounds=(7.0, 7.0))
    same = torch.full((2, 1, 4, 4), 7.0)
    assert torch.allclose(build_augmenter("flip@1", [constant])(MultimodalBatch({"a": same}))["a"], same)
