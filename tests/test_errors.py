"""What users see: one line, and a type that says whose fault it is."""

import pytest

from coral_plugin.errors import (
    CoralError,
    DivergedError,
    InputError,
    MachineError,
    PluginError,
    UnknownNameError,
    one_line,
)


@pytest.mark.parametrize("kind", [InputError, UnknownNameError, MachineError, PluginError, DivergedError])
def test_text_is_kept_as_it_is(kind):
    error = kind("What, where, what to do.")
    assert isinstance(error, CoralError)
    assert str(error) == "What, where, what to do."


def test_the_users_errors_are_told_from_the_machines():
    assert issubclass(UnknownNameError, InputError)
    assert issubclass(PluginError, InputError)
    assert not issubclass(MachineError, InputError)
    assert not issubclass(DivergedError, InputError)


def test_python_knows_them_too():
    assert issubclass(InputError, ValueError)
    assert issubclass(UnknownNameError, KeyError)
    assert issubclass(MachineError, RuntimeError)
    assert issubclass(PluginError, ImportError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a\n  b\tc..."), "a b c"),
        (ValueError("x" * 300), "x" * 200),
        (ValueError("x" * 199 + ". y"), "x" * 199),
        (KeyError(), "KeyError"),
        (OSError("..."), "OSError"),
    ],
)
def test_somebody_elses_words_in_a_sentence_of_ours(error, said):
    assert one_line(error) == said
