"""Every command that a page prints is one that the command line takes, and every flag that it names exists."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from coral_plugin.cli.flags import CommandParser
from coral_plugin.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").replace("\\\n", " ")
    for path in (ROOT / "README.md", ROOT / "results" / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.parent.name != "guides"  # tests/guides runs them, with the plugins that they write
}
OTHERS = {"--", "--build-constraint", "--signal"}  # of every shell, of pip, of SLURM
# what stands for names and numbers of the reader's, or for more of the same
PLACEHOLDERS = re.compile(r"\.\.\.|<|\bNAME\b|\bA,B\b|\bMODALITY=|\bKEY\b|\bMETHOD\b|SCRIPT|\$")


class Parsed(BaseException):
    """The command was understood, and is not run; no exception, which the command would report."""


@pytest.fixture
def parsed(tmp_path, monkeypatch):
    """Parse a command in a folder with the files that the pages name; its mistake, or None."""
    arrays = {f"{split}/{name}": np.zeros((4, 2)) for split in ("train", "test") for name in ("acc", "ecg")}
    monkeypatch.chdir(tmp_path)
    parse = CommandParser.parse_args

    def stop(parser, *words):
        found = parse(parser, *words)
        if parser.prog == "coral":  # it finds the command, which has a parser of its own
            return found
        raise Parsed

    monkeypatch.setattr(CommandParser, "parse_args", stop)

    def call(words):
        for word in words:
            for name in re.findall(r"[\w./-]+\.npz", word):
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                np.savez(name, **arrays)
        try:
            return main(words)
        except (Parsed, SystemExit):  # --help-all ends there
            return None

    return call


def commands(text):
    """The commands of a page's blocks, without comments."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return understood(line for language, block in blocks if language != "python" for line in block.splitlines())


def within_sentences(text):
    """The commands within a page's lines; they may lack what they work on."""
    return understood(code for code in inline(text) if "coral " in code)


def understood(lines):
    """What follows ``coral`` on these lines, where it begins as a command does; a row of a table does not."""
    found = (re.search(r"(?:^|[ =(])coral ([a-z-].*)", line) for line in lines)
    return [match[1].partition(" #")[0].strip() for match in found if match and not PLACEHOLDERS.search(match[1])]


def inline(text):
    """The code within the lines of a page."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_understood(page, parsed, capsys):
    found = [(command, False) for command in commands(PAGES[page])]
    for command, may_lack in found + [(command, True) for command in within_sentences(PAGES[page])]:
        words = shlex.split(command)
        assert words[0] in {*COMMANDS, "--version", "--help"}, f"coral {command}"
        status, mistake = parsed(words), capsys.readouterr().err
        lacks = may_lack and re.search("are required|needs a data set", mistake)
        assert status in (None, 0) or lacks, f"coral {command}: {mistake}"


def test_flags_that_stand_alone_are_flags_of_a_command(monkeypatch):
    known = {"--debug", *OTHERS}
    parse = CommandParser.parse_args

    def collect(parser, *words):
        known.update(parser.flags(), parser.more_flags())
        if parser.prog == "coral":
            return parse(parser, *words)
        raise Parsed

    monkeypatch.setattr(CommandParser, "parse_args", collect)
    for name in COMMANDS:
        with pytest.raises(Parsed):
            main([name, *{"train": ["--dataset", "digits"], "run": ["script.py"]}.get(name, [])])
    named = [
        (page, code.split()[0].partition("=")[0])
        for page, text in PAGES.items()
        for code in inline(text)
        if code.startswith("--")
    ]
    assert [(page, flag) for page, flag in named if "." not in flag and flag not in known] == []


def test_commands_are_found():
    assert commands(PAGES["README.md"])[1] == "train --data mine.npz --seeds 41,42 --epochs 20 --output runs/shell"
    assert sum(len(commands(text)) for text in PAGES.values()) > 50
    assert sum(len(within_sentences(text)) for text in PAGES.values()) > 20
