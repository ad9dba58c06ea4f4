"""What kind of file a file is, by its first bytes: downloads are often not what their names say."""

from __future__ import annotations

import os
import re
from pathlib import Path

from coral_plugin.errors import InputError
from coral_plugin.io.files import read_bytes

_HEAD = 512
# kind -> how messages call it
FILE_KINDS = {
    "pickle": "a pickle",
    "npz": "a zip archive, as .npz files are",
    "npy": "a single NumPy array (.npy)",
    "hdf5": "an HDF5 file",
    "mat": "a MATLAB file",
    "folder": "a folder",
    "html": "a web page that was saved instead of the data; open it in a browser to see why",
    "lfs": "a Git LFS pointer, not the data; run 'git lfs pull' in its repository",
    "gzip": "compressed with gzip; unpack it first",
    "bzip2": "compressed with bzip2; unpack it first",
    "xz": "compressed with xz; unpack it first",
    "7z": "a 7-zip archive; unpack it first",
    "rar": "a RAR archive; unpack it first",
    "tar": "a tar archive; unpack it first",
    "json": "JSON text",
    "empty": "empty; fetch or write it again",
    "png": "a picture",
    "jpeg": "a picture",
    "pdf": "a PDF",
    "text": "plain text",
    "unknown": "of no kind that is known here",
}
_STARTS = {
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"PK\x05\x06": "npz",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"MATLAB 5.0 MAT-file": "mat",
    b"MATLAB 7.3 MAT-file": "hdf5",  # which begins behind 512 bytes of text
    b"version https://git-lfs": "lfs",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
    b"%PDF": "pdf",
    **{bytes([0x80, protocol]): "pickle" for protocol in range(2, 256)},
}
_WEB = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")
# protocols 0 and 1 have no mark: a container, a number, a text or a name, as pickles begin that hold something
_OLD_PICKLE = re.compile(rb"\((?:[dlt](?:p\d|q|\n|\.)|[SVUXIFJK\]}(]|c[\w.]+\n)|[\]})]q|c[\w.]+\n[\w.]+\n|[]})N]\.$")


def sniff(path: Path | str) -> str:
    """The kind of a file, a key of :data:`FILE_KINDS`.

    Raises:
        InputError: there is no such file, or it is a pipe or a device.
        MachineError: it cannot be read.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 - False for what no path can be
        return "folder"
    head = read_bytes(path, _HEAD)
    if not head:
        return "empty"
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if _OLD_PICKLE.match(head):
        return "pickle"
    if head[257:262] == b"ustar":
        return "tar"
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith(_WEB):
        return "html"
    if begin.startswith((b'{"', b"[{")):
        return "json"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else a character is cut in two
            return "unknown"
    return "unknown" if b"\x00" in head else "text"


def require_kind(path: Path | str, kind: str, expected: str) -> None:
    """Refuse a file that is of another kind than ``kind``.

    Args:
        path: File to look at.
        kind: Key of :data:`FILE_KINDS`.
        expected: Description of the expected file, such as ``"MultiBench's affect pickle (mosi_raw.pkl, ...)"``.

    Raises:
        InputError: it is of another kind; the message says of which, and what was expected.
    """
    if (actual := sniff(path)) != kind:
        raise InputError(f"{path} is {FILE_KINDS[actual]}. Expected {expected}.")
