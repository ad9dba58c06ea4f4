"""``coral list``: descriptions of registered names, ours without an import."""

import re
import subprocess
import sys

import pytest

from coral_plugin.cli.details import objective_lines
from coral_plugin.cli.listing import describe, records
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES, Entry
from coral_plugin.testing.subject import Subject


def test_ours_are_described_as_their_docstrings_say():
    for registry in (OBJECTIVES, DATASETS, ENCODERS):
        for entry in (entry for entry in registry.entries() if entry.distribution == "coral-multibench"):
            imported = describe(registry, Entry(entry.name, entry.target, "another"))
            assert describe(registry, entry) == imported != ""


def test_what_a_process_registers_is_described():
    class Documented:
        """An ``encoder``, see :func:`~a.b`.

        More."""

    def bare(modality, width): ...

    bare.__module__ = "nowhere"
    ENCODERS.add("documented", Documented)
    ENCODERS.add("bare", bare)
    try:
        texts = {record["name"]: record["description"] for record in records(ENCODERS)}
    finally:
        ENCODERS.remove("documented")
        ENCODERS.remove("bare")
    assert (texts["documented"], texts["bare"]) == ("An encoder, see a.b", "")


def test_a_listing_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from coral_plugin.cli.main import main; main(['list']);"
        "sys.exit(', '.join({'torch', 'numpy', 'lightning_fabric'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "entry", [e for e in OBJECTIVES.entries() if e.distribution == "coral-multibench"], ids=lambda e: e.name
)
def test_an_objective_says_how_many_modalities_it_takes_and_takes_them(entry):
    (least,) = re.findall(
        r"^modalities: any number from (\d) on$", "\n".join(objective_lines(entry.name)), re.MULTILINE
    )
    taken = [len(modalities) for modalities in Subject.of(entry.name, modalities=(1, 2, 3, 4)).claimed]
    assert taken == list(range(int(least), 5))
