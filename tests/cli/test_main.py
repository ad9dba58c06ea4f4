"""The command itself: help, version, unknown commands, exit status, one line of error."""

import importlib
import os
import subprocess
import sys

import pytest

from coral_plugin.cli import main as module
from coral_plugin.cli.main import COMMANDS
from coral_plugin.errors import MachineError
from coral_plugin.registry import Entry


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        module.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        module.main([name, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert f"coral {name}" in out
    assert out.count("\n") <= 45


def test_version(coral):
    assert coral("--version") == (0, "coral-multibench 0.1.0\n", "")


def test_no_command_is_a_wrong_input(coral):
    status, out, _ = coral()
    assert status == 2
    assert "usage: coral" in out


def test_an_unknown_command_is_answered_in_one_line(coral):
    status, out, err = coral("trian")
    assert (status, out) == (2, "")
    assert err == f"coral: Unknown command 'trian'. Did you mean 'train'? Known: {', '.join(sorted(COMMANDS))}.\n"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (MachineError("the disk is full"), 1, "coral: the disk is full\n"),
        (KeyboardInterrupt(), 130, "coral: stopped. Call it again with: coral list\n"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (RuntimeError("two\nlines"), 1, "RuntimeError: two lines (--debug"),
    ],
)
def test_failures_are_one_line_and_a_status(coral, monkeypatch, error, status, text):
    def fail(arguments):
        raise error

    monkeypatch.setattr(module, "_run", fail)
    seen, _, err = coral("list")
    assert (seen, err.count("\n")) == (status, 1)
    assert text in err


def test_a_failure_in_the_code_of_a_plugin_names_its_file(coral, monkeypatch, tmp_path):
    module = tmp_path / "strangers_code.py"
    module.write_text("import torch\n\ndef fail(*_):\n    torch.zeros(2).view(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("coral_plugin.cli.main._run", importlib.import_module("strangers_code").fail)
    assert coral("list")[2].endswith("for input of size 2 (--debug shows where)\n"), "no plugin"
    entry = Entry("theirs", "strangers_code:fail", "acme")
    monkeypatch.setattr("coral_plugin.cli.main.ENCODERS.entries", lambda: [entry])
    status, _, err = coral("list")
    assert (status, err.count("\n")) == (1, 1)
    assert err.endswith(f"(in {module}, line 4; --debug shows where)\n")


def test_debug_shows_where(coral):
    status, _, err = coral("list", "objectivs", "--debug")
    assert status == 2
    assert "Traceback" in err


def test_what_follows_two_hyphens_is_a_scripts(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "_answer", lambda arguments, *, debug: seen.append((arguments, debug)) or 0)
    assert module.main(["run", "x.py", "--debug", "--", "--debug", "--lr", "1"]) == 0
    assert module.main(["run", "x.py", "--", "--debug"]) == 0
    assert seen == [(["run", "x.py", "--", "--debug", "--lr", "1"], True), (["run", "x.py", "--", "--debug"], False)]


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m coral_plugin.cli.main list | head -1", shell=True, capture_output=True, text=True
    )
    assert done.stdout == "objectives (coral list objectives describes them):\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("set_by_user", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "active")])
@pytest.mark.parametrize("entry", ["coral_plugin", "coral_plugin.cli.main"])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(entry, set_by_user, policy):
    code = (
        "import atexit, os, runpy, sys; sys.argv = ['coral', '--version'];"
        "atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules));"
        f"runpy.run_module({entry!r}, run_name='__main__')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | set_by_user
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[1:] == [f"{policy} False"], done.stderr
