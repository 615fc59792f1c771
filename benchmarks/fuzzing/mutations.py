"""Files spoilt at random: as text of their format where it is text, byte by byte otherwise.

A mutation is a function of a random generator and a file's bytes, and gives other bytes. What it cannot understand,
because an earlier mutation broke it, it spoils byte by byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any
from xml.etree import ElementTree

Mutation = Callable[[Random, bytes], bytes]

DEEP = 3000
HUGE = 10**12  # a frame, a size or a count that nobody has memory for
# Values of any type where another was meant; numbers at the edges of every type that a reader may put them in.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 255, 65536, 2**31 - 1, 2**31, HUGE, -HUGE, 2**53, 2**63, -(2**63), 10**30),
    *(0.0, -0.0, 0.5, 1.5, -2.5, 1e-320, 1e17, 1e300, -1e308, float("inf"), float("-inf"), float("nan")),
    *("", " ", "3", "-1", "1e3", "nan", "nose", "é" * 40, "x" * 70_000, "a\nb", "a\0b", "\ud800", "1/0", "30000/0"),
    *("../../../etc/passwd", "/etc/passwd", "C:\\boot.ini", "..\\x", "frame_1000000000000.jpg", "a#99999999999"),
    *([], {}, [[]], [None], [1, 2], [1, 2, 3, 4], [0.5] * 9, [[1, 2], [3, 4]], [{}], {"id": 1}, ["nose"], [[5, 5]]),
)
WORDS = tuple(value for value in ODD if isinstance(value, str)) + tuple(
    str(value) for value in ODD if isinstance(value, int | float)
)
_BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol"}">' for n in range(9))
_DOCTYPES = (
    f"<!DOCTYPE a [{_BOMB}]>",
    '<!DOCTYPE a [<!ENTITY a8 SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">',
)
# The heads of other kinds of file.
_MAGIC = (
    *(b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%PDF-1.7"),
    *(b"\x80\x04\x95", b"\xef\xbb\xbf", b"\xff\xfe", b"RIFF\xff\xff\xff\x7fAVI ", b"\x1aE\xdf\xa3", b"MATLAB 5.0 MAT"),
    *(b"#!/bin/sh\n", b"\0\0\0\x18ftypmp42", b"<?xml version='1.0'?>", b"#EXTM3U\n", b"{", b"["),
)


def spoil_bytes(draw: Random, content: bytes) -> bytes:
    """Bits flipped, numbers overwritten, parts left out, doubled, moved, blanked or put in, or the end cut off."""
    changed = bytearray(content)
    size = len(changed)
    at = draw.randrange(size) if size else 0
    length = min(draw.choice((1, 2, 4, 8, 16, 64, 256, 4096)), size - at)
    what = draw.randrange(10)
    if what <= 1 and size:
        for _ in range(draw.choice((1, 1, 2, 5, 30))):
            changed[draw.randrange(size)] ^= 1 << draw.randrange(8)
    elif what <= 3 and size:
        width = draw.choice((1, 2, 4, 8))
        number = draw.choice((0, 1, -1, 2**7, 2**15, 2**31 - 1, 2**31, 2**24, 2**40, 2**62, draw.getrandbits(64)))
        number %= 1 << 8 * width
        changed[at : at + width] = number.to_bytes(width, draw.choice(("little", "big")))
    elif what == 4:
        del changed[draw.choice((at, at, size // 2, size - 1, draw.randrange(17))) :]
    elif what == 5:
        del changed[at : at + length]
    elif what == 6:
        changed[at:at] = changed[at : at + length] * draw.choice((1, 2, 50))
    elif what == 7:
        changed[at:at] = draw.randbytes(length)
    elif what == 8:
        changed[at : at + length] = bytes(length)
    else:
        head = draw.choice(_MAGIC)
        changed[: draw.choice((0, len(head)))] = head
    return bytes(changed)


def spoil_json(draw: Random, content: bytes) -> bytes:
    """One value replaced, left out, doubled, moved or buried deep; a key twice; numbers that JSON has not."""
    try:
        document = [json.loads(content)]
    except (ValueError, RecursionError):
        return spoil_bytes(draw, content)
    holder, key = draw.choice(_places(document))
    what = draw.randrange(8)
    if what <= 3:
        holder[key] = draw.choice(ODD)
    elif what == 4 and holder is not document:
        del holder[key]
    elif what == 5 and isinstance(holder, list):
        holder[key:key] = [holder[key]] * draw.choice((1, 1, 1000))
    elif what == 6:
        other, place = draw.choice(_places(document))
        holder[key] = json.loads(json.dumps(other[place]))
    elif isinstance(holder[key], int | float):
        holder[key] += draw.choice((-1, 1, 0.5, 1000))
    else:
        holder[key] = [holder[key]]
    text = json.dumps(document[0], separators=(",", ":"))
    if draw.randrange(12) == 0:
        return _spoil_json_text(draw, text).encode("utf-8", errors="replace")
    return text.encode()


def _spoil_json_text(draw: Random, text: str) -> str:
    """What no JSON writer would do: a key twice, a value thousands of lists deep, a byte order mark, no escapes."""
    keys = list(re.finditer(r'"(\w+)":', text))
    if keys and draw.randrange(2):
        key = draw.choice(keys)
        return f"{text[: key.start()]}{key[0]}{json.dumps(draw.choice(ODD))},{text[key.start() :]}"
    if keys and draw.randrange(2):
        key = draw.choice(keys)
        return f"{text[: key.end()]}{'[' * DEEP}{']' * DEEP},{key[0]}{text[key.end() :]}"
    return draw.choice(("\ufeff" + text, text + text, text + "\n[]", json.dumps(text), text.replace("1", "1e999")))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every list and object with every key in it."""
    found, rest = [], [value]
    while rest:
        node = rest.pop()
        items = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        found += [(node, key) for key, _ in items]
        rest += [inner for _, inner in items]
    return found


def spoil_lines(inner: Mutation) -> Mutation:
    """The mutation that spoils one line by another, or leaves out, doubles or swaps lines."""

    def spoil(draw: Random, content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        if not lines or draw.randrange(20) == 0:
            return spoil_bytes(draw, content)
        at = draw.randrange(len(lines))
        what = draw.randrange(8)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines[at:at] = [lines[at]] * draw.choice((1, 1, 500))
        elif what == 2:
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            ended = lines[at].endswith(b"\n")
            lines[at] = inner(draw, lines[at].rstrip(b"\r\n")) + b"\n" * ended
        return b"".join(lines)

    return spoil


def spoil_words(separators: str) -> Mutation:
    """The mutation that replaces, leaves out or doubles one word of a text."""
    pattern = re.compile(f"([{re.escape(separators)}]+)")

    def spoil(draw: Random, content: bytes) -> bytes:
        words = pattern.split(content.decode("utf-8", errors="replace"))
        at = draw.randrange(len(words))
        what = draw.randrange(6)
        if what == 0:
            del words[at]
        elif what == 1:
            words[at:at] = [words[at]] * draw.choice((1, 2, 2000))
        elif what == 2:
            words[at] = words[draw.randrange(len(words))]
        elif what == 3:
            words[at] = draw.choice(('"', "'", ",", "\t", "\r", "-", "&x", "*x", "!!python/object:os.system", "[", "{"))
        else:
            words[at] = draw.choice(WORDS)
        return "".join(words).encode("utf-8", errors="replace")

    return spoil


def spoil_xml(draw: Random, content: bytes) -> bytes:
    """An attribute, a text, a name or an element changed; elements nested deep; entities."""
    if draw.randrange(25) == 0:
        start = content.find(b"<", content.find(b"?>") + 2)
        used = content[start:].replace(b"</", b"&a8;</", 1)
        return content[:start] + draw.choice(_DOCTYPES).encode() + used
    try:
        return _spoil_element(draw, ElementTree.fromstring(content))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return spoil_bytes(draw, content)


def _spoil_element(draw: Random, root: ElementTree.Element) -> bytes:
    element = draw.choice(list(root.iter()))
    names = list(element.attrib)
    what = draw.randrange(9)
    if what <= 2 and names:
        element.set(draw.choice(names), _xml_text(draw))
    elif what == 3 and names:
        del element.attrib[draw.choice(names)]
    elif what == 4:
        inside = (element.text or "").strip()
        element.text = spoil_xml(draw, inside.encode()).decode(errors="replace") if "<" in inside else _xml_text(draw)
        element.text = _writable(element.text)
    elif what == 5:
        element.tag = draw.choice([other.tag for other in root.iter()])
    elif what == 6 and len(element):
        element.remove(draw.choice(list(element)))
    elif what == 7 and len(element):
        element.extend([draw.choice(list(element))] * draw.choice((1, 1, 300)))
    else:
        text = ElementTree.tostring(element)
        deep = b"<a>" * DEEP + b"</a>" * DEEP
        return ElementTree.tostring(root).replace(text, text + draw.choice((deep, text, b"<a/>", b"<!-- -->")), 1)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _xml_text(draw: Random) -> str:
    return _writable(draw.choice((*WORDS, "1,2;3,4", "1.5,", ";;;", "1,2," * 5000, "true", "&lt;")))


def _writable(text: str) -> str:
    """The text without what ElementTree cannot write."""
    return re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", "?", text)
