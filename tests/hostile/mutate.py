"""Mutants of valid inputs: flips, cuts, splices, repeats, words of the format, and numbers at their edges."""

from __future__ import annotations

import random
import re

_EDGES = [0, 1, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def mutant(corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> bytes:
    """One mutant, by one to six mutations of one of ``corpus``."""
    content = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(_MUTATIONS)(content, corpus, words, rng)
    return bytes(content)


def _flip(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _cut(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    if rng.random() < 0.4:
        del content[start:]
    else:
        del content[start : start + rng.choice((1, 2, 4, 16, 100))]


def _splice(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    other = rng.choice(corpus)
    start, at = rng.randrange(len(other) + 1), rng.randrange(len(content) + 1)
    content[at:at] = other[start : start + rng.choice((1, 4, 16, 64, 1000))]


def _repeat(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    piece = bytes(content[start : start + rng.choice((1, 3, 20))])
    content[start:start] = piece * rng.choice((2, 10, 300))


def _word(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    if words:
        at = rng.randrange(len(content) + 1)
        content[at : at + rng.choice((0, 0, 1, 4))] = rng.choice(words)


def _noise(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))


def _integer(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    """Bytes that may be a size become one at the edge of its type."""
    size = rng.choice((1, 2, 4, 8))
    if len(content) >= size:
        at = rng.randrange(len(content) - size + 1)
        content[at : at + size] = (rng.choice(_EDGES) % 256**size).to_bytes(size, "little")


def _number(content: bytearray, corpus: tuple[bytes, ...], words: tuple[bytes, ...], rng: random.Random) -> None:
    """Digits become another number, or a word."""
    if found := list(re.finditer(rb"\d+", bytes(content))):
        match = rng.choice(found)
        choices = [b"-1", b"0", b"1e999", str(rng.choice(_EDGES)).encode(), b"null", b"[]", *words]
        content[match.start() : match.end()] = rng.choice(choices)


_MUTATIONS = (_flip, _cut, _splice, _repeat, _word, _noise, _integer, _number)
