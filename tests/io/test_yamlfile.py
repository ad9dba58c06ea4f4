"""YAML is read as plain values, each once, and not more than were written."""

import pytest
import yaml

from coral_plugin.errors import InputError
from coral_plugin.io.yamlfile import parse_yaml, read_yaml
from coral_plugin.runs.settings import make_settings


def test_what_we_write_is_read(tmp_path):
    settings = make_settings("coral", "digits", augmentations={"top": "noise"})
    (tmp_path / "c.yaml").write_text(settings.to_yaml())
    assert read_yaml(tmp_path / "c.yaml") == settings.as_dict() == yaml.safe_load(settings.to_yaml())


def test_anchors_are_allowed_in_measure():
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: *x", "text") == {"a": [1, 2], "b": [1, 2], "c": [1, 2]}
    assert parse_yaml("base: &b {p: 1}\nmore: {<<: *b, q: 2}", "text")["more"] == {"p": 1, "q": 2}
    assert parse_yaml("", "text") is None


def test_ten_thousand_values_and_no_more():
    row = "&r [" + ", ".join("x" * 98) + "]"  # 99 values with itself
    fine = f"- {row}\n" + "- *r\n" * 99
    assert len(parse_yaml(fine, "text")) == 100
    with pytest.raises(InputError, match="unfolds to more than 10000"):
        parse_yaml(fine + "- *r\n" * 2, "text")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: &a [*a]", "unfolds"),
        ("[" * 40 + "]" * 40, "nested more than 30"),
        ("a: 1\na: 2", "'a' twice"),
        ("{b: {c: 1, c: 2}}", "'c' twice"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: 2026-99-99", "not valid YAML: month"),
        ("a: \x07", "not valid YAML"),
        ("x" * 300_000, "300000 characters"),
    ],
)
def test_what_is_refused(text, match):
    with pytest.raises(InputError, match=match):
        parse_yaml(text, "text")
