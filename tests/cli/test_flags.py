"""What all commands share: errors in one line, a help of one screen, pairs of names and values."""

import pytest

from coral_plugin.cli.flags import CommandParser, pairs
from coral_plugin.errors import InputError


@pytest.fixture
def parser():
    parser = CommandParser(
        prog="coral x", description="Do it.", epilog="all of it", examples=["coral x a"], everyday="seeds"
    )
    parser.add_argument("word", metavar="WORD")
    parser.add_argument("--seeds", metavar="41,42", help="Seeds")
    parser.add_argument("-r", "--rare", metavar="N", help="Rare thing")
    return parser


def test_the_help_shows_everyday_flags_and_the_other_one_all(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    short = capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args(["--help-all"])
    whole = capsys.readouterr().out
    assert short.startswith("usage: coral x WORD [FLAGS]\n\nDo it.\n\nexamples:\n  coral x a\n")
    assert "--seeds 41,42" in short
    assert "coral x --help-all shows every flag and setting." in short
    assert not {"Rare thing", "all of it"} & set(short.splitlines())
    assert "-r N " in whole
    assert whole.endswith("all of it\n")
    assert parser.help_text() == short


def test_a_command_whose_help_shows_all_takes_the_other_one_too(capsys):
    outs = []
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit):
            CommandParser(prog="coral x").parse_args([flag])
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1] != ""
    assert "--help-all" not in outs[0]


def test_words_that_stand_alone_are_answered_with_what_to_type(parser):
    with pytest.raises(InputError, match=r"^Unexpected '2 3': a list has commas and no blanks, --seeds 1,2,3$"):
        parser.parse_args(["a", "--seeds", "1,", "2", "3"])
    with pytest.raises(InputError, match=r"^Unexpected 'b': a value stands behind its flag"):
        parser.parse_args(["a", "b"])
    parser.place = {"b": ["--seeds", "b"]}.get
    with pytest.raises(InputError, match=r"^Unexpected 'b', which needs a flag: coral x a --rare 1 --seeds b$"):
        parser.parse_args(["a", "--rare", "1", "b"])


def test_pairs_name_nothing_twice():
    assert pairs("--data", ["a=x=y", "b=z"]) == {"a": "x=y", "b": "z"}
    with pytest.raises(InputError, match="--data is given twice for a"):
        pairs("--data", ["a=x", "a=y"])
    with pytest.raises(InputError, match="--data needs NAME=VALUE"):
        pairs("--data", ["a"])
