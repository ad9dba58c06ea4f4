"""Numbers in a function's code."""

from coral_plugin.multibench.redirect.rows import with_rows


def outer(values, most=60000):
    inner = [value for value in values if value < 55000]
    return len(inner), values[55000:60000], most, (55000, 7)


def test_constants_are_replaced_everywhere_but_in_defaults():
    values = list(range(10))
    changed = with_rows(outer, {55000: 4, 60000: 8})
    assert changed(values) == (4, [4, 5, 6, 7], 60000, (4, 7))
    assert outer(values)[0] == 10  # the original is as it was
    assert changed.__name__ == "outer"
    assert changed(values, most=1)[2] == 1


def test_closures_and_keyword_defaults_stay():
    offset = 3

    def function(*, plus=2):
        return 60000 + offset + plus

    assert with_rows(function, {60000: 1})() == 6


def test_what_is_no_python_function_comes_back():
    assert with_rows(len, {1: 2}) is len
    assert with_rows(outer, {})([1])[0] == 1
