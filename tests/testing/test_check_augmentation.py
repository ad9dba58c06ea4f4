"""check_augmentation names what is wrong: each broken augmentation below breaks one rule."""

import pytest
import torch

from coral_plugin.augmentations import augmentation
from coral_plugin.augmentations.sequences import blank
from coral_plugin.data.padding import valid_steps
from coral_plugin.testing import check_augmentation


def cut(values, lengths, generator):
    return values[:, 1:]


def half_type(values, lengths, generator):
    return values.float()


def in_place(values, lengths, generator):
    return values.mul_(0.5)


def global_draw(values, lengths, generator):
    return values * torch.rand(())


def padded(values, lengths, generator):
    return values + 1


def counted(values, lengths, generator):
    return blank(values - values.mean(dim=1, keepdim=True), ~valid_steps(values, lengths))


def looped(values, lengths, generator):
    kept = blank(values, ~valid_steps(values, lengths))
    return torch.stack([row * (0.5 if row.sum() > 1 else 1.0) for row in kept])


def single(values, lengths, generator):
    return blank(values * lengths.float().mean().clamp(max=0).add(1).item(), ~valid_steps(values, lengths))


def on_the_cpu(values, lengths, generator):
    return blank(values + torch.arange(values.shape[1]).view(1, -1, 1), ~valid_steps(values, lengths))


def longest(values, lengths, generator):
    return blank(values / lengths.max(), ~valid_steps(values, lengths))


def drawn_by_length(values, lengths, generator):
    noise = torch.rand(int(lengths.max()), generator=generator).sum() + torch.rand(
        len(values), 1, 1, generator=generator
    )
    return blank(values + noise, ~valid_steps(values, lengths))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (cut, "expected for kind sequence: shape"),
        (half_type, "type torch.float64; found torch.float32"),
        (in_place, "an argument that stays unchanged"),
        (global_draw, "draws from its generator"),
        (padded, "padding that is zero"),
        (counted, "padding without influence"),
        (looped, r"it asks for a single number \(.item\(\), int\(\), if\)"),
        (single, r"it asks for a single number \(.item\(\), int\(\), if\)"),
        (on_the_cpu, r"a tensor was made on the CPU: give device=values.device"),
        (longest, "the same result for a sample alone as in a batch"),
        (drawn_by_length, "a result that the other samples of the batch have no part in"),
    ],
)
def test_a_broken_rule_is_named(function, message):
    with pytest.raises(AssertionError, match=message):
        check_augmentation(augmentation("sequence")(function))


def test_images_stay_in_the_unit_interval():
    with pytest.raises(AssertionError, match=r"values in \[0, 1\]; found 0.* to"):
        check_augmentation(augmentation("image")(lambda values, lengths, generator: 2 * values))


def test_a_plain_function_is_no_augmentation():
    with pytest.raises(AssertionError, match="an Augmentation"):
        check_augmentation(cut)


def test_settings_are_passed_on():
    check_augmentation("rotate", degrees=30.0)
