"""Where MultiBench is looked for, and what is said where it is not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from coral_plugin.errors import InputError
from coral_plugin.multibench.checkout import CLONE, MARKS, TESTED, find_checkout

DOUBLE = Path(__file__).parent / "double"


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(DOUBLE, tmp_path / "Multi Bench")


def test_the_flag_wins_over_the_variable_and_that_over_the_current_directory(copy, tmp_path, monkeypatch):
    other, third = (shutil.copytree(DOUBLE, tmp_path / name) for name in ("b", "c"))
    monkeypatch.setenv("MULTIBENCH_ROOT", str(other))
    monkeypatch.chdir(third / "examples")
    assert find_checkout(copy).root == copy
    assert find_checkout().root == other
    monkeypatch.delenv("MULTIBENCH_ROOT")
    found = find_checkout()  # above the current directory
    assert (found.root, found.found_by) == (third, "the current directory")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MULTIBENCH_ROOT", "~/b")
    assert find_checkout("~/c").root == third
    assert find_checkout().root == other


def test_none_at_all_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.delenv("MULTIBENCH_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"No MultiBench checkout.*{CLONE}"):
        find_checkout()


@pytest.mark.parametrize("lacking", MARKS)
def test_a_folder_that_is_none_is_told_by_what_it_lacks(copy, lacking):
    (copy / lacking).unlink()
    with pytest.raises(InputError, match=f"no MultiBench checkout: there is no {lacking} in it.*{CLONE}"):
        find_checkout(copy)


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "x" * 5000])
def test_no_folder_is_told(tmp_path, name):
    with pytest.raises(InputError, match=r"is no folder\. Get MultiBench with"):
        find_checkout(str(tmp_path / name))


def test_a_named_variable_that_is_wrong_is_not_passed_over(copy, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(copy)
    with pytest.raises(InputError, match="MULTIBENCH_ROOT"):
        find_checkout()


def test_packages_are_what_can_be_imported_from_it(copy):
    (copy / "images").mkdir()
    (copy / "not-a-name").mkdir()
    (copy / "not-a-name" / "x.py").touch()
    (copy / "loose.py").touch()
    packages = find_checkout(copy).packages
    assert {"datasets", "unimodals", "training_structures", "utils", "loose"} <= packages
    assert not {"images", "not-a-name", "__init__"} & packages


def test_the_commit_is_its_own(copy, tmp_path):
    assert find_checkout(copy).commit is None
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for folder in (tmp_path, copy):  # a repository around it is another one's
        assert find_checkout(copy).commit is None
        subprocess.run([*git, "init", "-q", folder], check=True)
        subprocess.run([*git, "-C", folder, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run(["git", "-C", copy, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    checkout = find_checkout(copy)
    assert checkout.commit == commit
    assert f"at {commit[:8]} (not tested; {TESTED[:8]} was)" in checkout.describe()


def test_what_is_missing_is_listed(copy):
    shutil.rmtree(copy / "robustness")
    assert "robustness" in find_checkout(copy).missing


@pytest.mark.multibench
def test_the_real_one_is_whole(checkout):
    if checkout.root != DOUBLE:
        assert checkout.missing == ()
