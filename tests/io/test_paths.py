"""A tilde is the home folder where a path begins, and nothing elsewhere."""

import pytest

from coral_plugin.io.paths import home_expanded


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("~/x.npz", "/home/me/x.npz"),
        ("--data=~/x.npz", "--data=/home/me/x.npz"),
        ("--data=mosi=~/x.pkl", "--data=mosi=/home/me/x.pkl"),
        ("source.folds=~/f.json", "source.folds=/home/me/f.json"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        ("a~/b", "a~/b"),
        ("/a/~/b", "/a/~/b"),
        ("--set=key=~", "--set=key=~"),
        ("~", "~"),
        ("", ""),
    ],
)
def test_home(text, wanted, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert home_expanded(text) == wanted
