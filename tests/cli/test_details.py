"""``coral list WHAT NAME``: options with their defaults and meaning."""

import re

import pytest

from coral_plugin.cli.details import DETAILS
from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, OURS

REGISTRIES = {
    "objectives": OBJECTIVES, "datasets": DATASETS, "encoders": ENCODERS, "augmentations": AUGMENTATIONS,
    "presets": OBJECTIVES,
}  # fmt: skip


@pytest.mark.parametrize("what", list(DETAILS))
def test_every_name_of_ours_has_details(what):
    for entry in (entry for entry in REGISTRIES[what].entries() if entry.distribution == OURS):
        lines = list(DETAILS[what](entry.name))
        assert len(lines) >= 2, entry
        assert not any("``" in line or ":class:" in line for line in lines), entry


@pytest.mark.parametrize("what", ["objectives", "datasets", "encoders"])
def test_every_option_has_a_meaning(what):
    for entry in (entry for entry in REGISTRIES[what].entries() if entry.distribution == OURS):
        lines = list(DETAILS[what](entry.name))
        for place, line in enumerate(lines):
            if re.match(r"  \w+ \(", line):
                assert lines[place + 1].startswith("      "), (entry.name, line)


def test_options_are_listed_with_their_defaults(coral):
    _, out, _ = coral("list", "encoders", "gru")
    assert "as in --encoder MODALITY='gru(hidden=VALUE)':" in out
    assert "  layers (1)\n      Number of layers.\n" in out
    _, out, _ = coral("list", "augmentations", "noise")
    assert "as in --augmentations 'noise(std=VALUE)':" in out
    assert "  std (0.1)\n      (one number, not negative)" in out.replace("Standard", "")
    _, out, _ = coral("list", "presets", "coral")
    assert "paper (default): coral train --objective coral --preset paper\n    training.learning_rate " in out


def test_presets_are_those_of_a_method(coral):
    status, _, err = coral("list", "presets")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("coral: coral list presets needs a method: clip, ")
