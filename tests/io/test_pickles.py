"""No pickle runs code or kills the process, whatever it holds; those of NumPy and Python, new and old, are read."""

import collections
import contextlib
import pickle
import time

import numpy as np
import pytest

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.io import pickles
from coral_plugin.io.pickles import read_pickle

from .pickle_attacks import ATTACKS, REFUSED, RUNNING, array_state, dtype, raw, text

THINGS = {
    "floats": np.arange(3.0),
    "big endian": np.arange(3, dtype=">f4"),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "with gaps": np.arange(10)[::2],
    "texts": np.array(["ab", "c"]),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 3)),
    "no dimension": np.array(4.0),
    "scalar": np.float64(2),
    "integer": np.int64(-3),
    "set": {1},
    "frozen": frozenset(["a"]),
    "bytes": b"ab\xff",
    "no bytes": b"",
    "bytearray": bytearray(b"x"),
    "complex": 1j,
    "tuple": (1, 2, "x"),
    "ordered": collections.OrderedDict(a=1),
    "none": None,
    "long": 10**30,
    "list": [1.5, True],
}


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "ran"


def test_there_are_more_than_thirty():
    assert len(ATTACKS) == len(RUNNING) + len(REFUSED) > 60


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_one_line_and_runs_nothing(attack, tmp_path, marker, capsys):
    path = tmp_path / "data.pkl"
    path.write_bytes(ATTACKS[attack](marker))
    started = time.process_time()  # of no process beside this one
    status = main(["data", "check", str(path)])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert str(path) in err
    assert "Traceback" not in err
    assert len(err) < 600
    assert not marker.exists()
    assert time.process_time() - started < 20


@pytest.mark.parametrize("attack", RUNNING)
def test_the_same_bytes_do_run_when_trusted(attack, tmp_path, marker):
    """The attacks are real: what the user decides to trust runs."""
    path = tmp_path / "data.pkl"
    path.write_bytes(RUNNING[attack](marker))
    with contextlib.suppress(InputError):  # it may fail after it ran
        read_pickle(path, trust=True)
    while not marker.exists():  # a process of its own takes its time; the time limit of the test ends what never comes
        time.sleep(0.02)


@pytest.mark.parametrize("attack", ["reduce os.system, protocol 2", "INST", "numpy runs strings", "subprocess"])
def test_the_refused_name_is_told(attack, tmp_path, marker):
    path = tmp_path / "data.pkl"
    path.write_bytes(RUNNING[attack](marker))
    with pytest.raises(InputError, match=r"(posix.system|posix system|runstring|subprocess\.call).*--trust-pickle"):
        read_pickle(path)


def test_extension_codes_run_nothing_even_when_registered(tmp_path, marker):
    import copyreg

    copyreg.add_extension("posix", "system", 201)
    try:
        content = b"\x80\x04\x82\xc9" + text(f"touch {marker}") + b"\x85R."
        path = tmp_path / "data.pkl"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"copyreg's registry \(opcode EXT1\)"):
            read_pickle(path)
        assert not marker.exists()
        pickle.loads(content)
        assert marker.exists()
    finally:
        copyreg.remove_extension("posix", "system", 201)


def test_an_attack_leaves_nothing_behind(tmp_path, marker):
    """The functions that stand behind NumPy's names are as they were, and so are dictionaries."""
    path = tmp_path / "data.pkl"
    for attack in ("BUILD on a function", "BUILD on a dictionary", "another codec"):
        path.write_bytes(REFUSED[attack](marker))
        with pytest.raises(InputError):
            read_pickle(path)
    path.write_bytes(pickle.dumps(np.arange(4)))
    assert read_pickle(path).tolist() == [0, 1, 2, 3]


def test_number_of_objects_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_OPCODES", 1000)
    path = tmp_path / "data.pkl"
    path.write_bytes(b"\x80\x04(" + b"]" * 1000 + b"l.")
    with pytest.raises(InputError, match="more than 1,000 Python objects"):
        read_pickle(path)


def test_an_array_gets_only_the_memory_that_the_file_has(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(raw(b"\x80\x04", array_state(b"K\x02\x85", dtype("u1"), b"C\x02\x05\x06"), b".")(""))
    assert read_pickle(path).tolist() == [5, 6]
    path.write_bytes(raw(b"\x80\x04", array_state(b"K\x03\x85", dtype("u1"), b"C\x02\x05\x06"), b".")(""))
    with pytest.raises(InputError, match=r"claims shape \(3,\) of uint8, but its data are 2 long"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_round_trip(protocol, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(THINGS, protocol))
    loaded, plain = read_pickle(path), pickle.loads(path.read_bytes())
    assert list(loaded) == list(THINGS)
    for key, thing in plain.items():
        np.testing.assert_equal(loaded[key], thing, err_msg=key)
        if isinstance(thing, np.ndarray):
            assert type(loaded[key]) is np.ndarray
            assert loaded[key].dtype == thing.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_inside_arrays_of_objects(protocol, tmp_path):
    whole = np.empty(3, dtype=object)
    whole[:] = [np.ones((2, 3)), [np.zeros(2)], "x"]
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({"a": [whole]}, protocol))
    result = read_pickle(path)["a"][0]
    assert type(result[0]) is type(result[1][0]) is np.ndarray
    assert (result[0].shape, result[2]) == ((2, 3), "x")


def test_numpy_1_and_python_2(tmp_path):
    """The names of NumPy 1, and data that are a text, as Python 2 wrote them."""
    path = tmp_path / "data.pkl"
    new = pickle.dumps({"x": np.arange(3, dtype="f4")}, 2)
    path.write_bytes(new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_pickle(path)["x"].tolist() == [0, 1, 2]
    old = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\n"
        b"tR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x07\\xff'\ntb."
    )
    path.write_bytes(old)
    assert read_pickle(path).tolist() == [7, 255]


def test_what_refers_to_itself_is_read(tmp_path):
    circle = {"array": np.ones(2)}
    circle["again"] = [circle]
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(circle))
    result = read_pickle(path)
    assert result["again"][0] is result


def test_trust_reads_other_types(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(collections.Counter("aab")))
    with pytest.raises(InputError, match=r"wants collections\.Counter"):
        read_pickle(path)
    assert read_pickle(path, trust=True) == {"a": 2, "b": 1}
