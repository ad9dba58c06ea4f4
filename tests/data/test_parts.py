import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from coral_plugin.data.parts import two_parts


def theirs(count, share, seed, labels):
    return train_test_split(np.arange(count), test_size=share, random_state=seed, stratify=labels)


def drawn(function, *arguments):
    try:
        return [part.tolist() for part in function(*arguments)]
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("classes", [None, 1, 2, 5])
def test_the_parts_are_those_of_scikit_learn_and_so_are_its_refusals(classes):
    random = np.random.default_rng(0)
    parts = 0
    for seed in range(60):
        count, share = int(random.integers(2, 60)), float(random.choice([0.1, 0.2, 0.25, 0.5, random.random()]))
        labels = None if classes is None else 3 * random.integers(0, classes, count)
        wanted = drawn(theirs, count, share, seed, labels)
        assert drawn(two_parts, count, share, seed, labels) == wanted
        parts += isinstance(wanted, list)
    assert parts > 20
