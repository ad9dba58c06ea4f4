"""Names come from installed distributions; a broken one is named and harms nobody."""

import sys
from pathlib import Path

import pytest

from coral_plugin.errors import DefectError, InputError, PluginError, UnknownNameError
from coral_plugin.registry import OBJECTIVES, Entry, Registry, outdated

GROUP = "multibench.things"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that makes a distribution with entry points, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(distribution: str, points: dict[str, str], **modules: str) -> None:
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith("things_"):
            del sys.modules[name]


@pytest.fixture
def things():
    return Registry(GROUP, "thing")


def test_a_strangers_name_loads(install, things):
    install("acme", {"acme": "things_acme:make"}, things_acme="def make(): return 7")
    assert things.names() == ["acme"]
    assert things.entries() == [Entry("acme", "things_acme:make", "acme")]
    assert things.get("acme")() == 7


def test_listing_imports_nothing(install, things):
    install("acme", {"acme": "things_loud:make"}, things_loud="raise SystemExit('imported')")
    assert things.names() == ["acme"]
    assert things.entries()[0].distribution == "acme"
    assert "things_loud" not in sys.modules


def test_an_unknown_name_is_answered(install, things):
    install("acme", {"coral": "a:b", "clip": "a:b"})
    with pytest.raises(
        UnknownNameError, match=r"^Unknown thing 'corall'\. Did you mean 'coral'\? Known: clip, coral\.$"
    ):
        things.get("corall")
    with pytest.raises(UnknownNameError, match="Did you mean 'clip'"):
        things.get("CLIP")
    with pytest.raises(UnknownNameError, match=r"^Unknown thing 'zzz'\. Known: clip, coral\.$"):
        things.get("zzz")


def test_an_empty_registry_says_so(things):
    with pytest.raises(UnknownNameError, match=r"Known: none\."):
        things.get("any")


@pytest.mark.parametrize(
    ("target", "source", "reason"),
    [
        ("things_a:Loss", "import things_none", "ModuleNotFoundError: No module named 'things_none'"),
        ("things_b:Loss", "", "AttributeError: module 'things_b' has no attribute 'Loss'"),
        ("things_c:Loss", "def f(:", "SyntaxError"),
        ("things_d:Loss", "raise RuntimeError('two\\n  lines.')", r"RuntimeError: two lines\. Repair"),
        ("things_e:Loss", "raise SystemExit(3)", "SystemExit: 3"),
        ("not a target!", "", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_named_and_harmless(install, things, target, source, reason):
    name = target.partition(":")[0]
    install("broken-things", {"broken": target}, **({name: source} if name.isidentifier() else {}))
    install("sound", {"sound": "things_sound:VALUE"}, things_sound="VALUE = 1")
    with pytest.raises(PluginError, match=rf"^thing 'broken' from broken-things \({target}\).*{reason}") as caught:
        things.get("broken")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert things.get("sound") == 1
    assert things.names() == ["broken", "sound"]


def test_two_claims_on_one_name_are_refused(install, things):
    install("one", {"same": "things_one:A"}, things_one="A = 1")
    install("two", {"same": "things_two:A", "other": "things_two:A"}, things_two="A = 2")
    with pytest.raises(
        PluginError, match=r"one \(things_one:A\).*two \(things_two:A\)|two .* and one .*, or uninstall one"
    ) as caught:
        things.get("same")
    assert "; rename the one in " in str(caught.value)
    assert things.get("other") == 2


def test_our_name_stays_ours_and_the_strangers_is_reported(install, things):
    install("coral-multibench", {"same": "things_ours:A"}, things_ours="A = 1")
    install("acme", {"same": "things_acme:A"}, things_acme="A = 2")
    install("copy", {"same": "things_ours:A"})
    assert things.get("same") == 1
    assert things.fault("same") is None
    faults = list(filter(None, map(things.shadowed, things.entries())))
    assert faults == [
        "thing 'same' from acme (things_acme:A) has a name of coral-multibench, which keeps it; rename the one in acme."
    ]


def test_what_a_plugin_raises_is_its_defect_and_what_we_raise_is_not(install, things):
    install("acme", {"acme": "things_acme:A"}, things_acme="A = 1")
    wanted = r"^thing 'acme' \(from acme\) failed: KeyError: 'x'; --debug shows where\.$"
    with pytest.raises(DefectError, match=wanted), things.blaming("acme", "things_acme:A"):
        {}["x"]
    with pytest.raises(InputError, match=r"^mine$"), things.blaming("acme", "things_acme:A"):
        raise InputError("mine")


def test_the_same_target_twice_is_one_claim(install, things):
    install("one", {"same": "things_one:A"}, things_one="A = 1")
    install("two", {"same": "things_one:A"})
    assert things.get("same") == 1


def test_add_and_remove(install, things):
    install("acme", {"acme": "things_acme:A"})
    value = object()
    things.add("mine", value)
    things.add("mine", value)
    assert things.get("mine") is value
    assert things.names() == ["acme", "mine"]
    assert [entry.distribution for entry in things.entries()] == ["acme", "this process"]
    for name in ("mine", "acme"):
        with pytest.raises(ValueError, match=f"thing '{name}' is already registered; choose another name"):
            things.add(name, object())
    things.remove("mine")
    things.remove("mine")
    assert things.names() == ["acme"]


def test_our_own_names_are_there():
    assert "coral" in OBJECTIVES.names()


def test_an_entry_point_that_was_never_installed_is_told(tmp_path, monkeypatch):
    """A checkout whose file has moved on, and an old egg-info before the installation: both tell what to type."""
    assert outdated() is None
    assert outdated(tmp_path) is None
    ours = (ROOT / "entry_points.txt").read_text()
    (tmp_path / "entry_points.txt").write_text(
        ours.replace("[multibench.objectives]", "[multibench.objectives]\nnew = a:b")
    )
    assert outdated(tmp_path) == (
        f"What is installed is not what {tmp_path}/entry_points.txt says (new); install it again: "
        f"pip install --no-deps -e {tmp_path}"
    )
    stale = tmp_path / "coral_multibench.egg-info"
    stale.mkdir()
    (stale / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: coral-multibench\nVersion: 0.1.0\n")
    (stale / "entry_points.txt").write_text(ours.replace("coral = coral_plugin.objectives.coral:Coral\n", ""))
    monkeypatch.syspath_prepend(tmp_path)
    assert outdated(tmp_path).endswith(
        f" says (coral, new); install it again: rm -r {stale} && pip install --no-deps -e {tmp_path}"
    )
    with pytest.raises(
        UnknownNameError, match=r"^Unknown objective 'coral'\..* says \(coral\); install it again: .*pip install"
    ):
        OBJECTIVES.get("coral")
