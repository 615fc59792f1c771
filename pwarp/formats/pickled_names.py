"""Lists of names out of the pickles that PyTables leaves in HDF5 files, without running them.

A pickle is a program; unpickling one from a stranger runs their code. Of the oldest protocol, in which PyTables
writes, this understands the few instructions that build lists and tuples of texts, and refuses every other one.
The protocol is described in CPython's pickletools.
"""

from __future__ import annotations

from typing import Any

_MARK = object()
_MOST = 1 << 24


def names_in(pickled: bytes) -> list[tuple[str, ...]]:
    """The list of tuples of texts that a pickle of protocol 0 stands for; raises ValueError for any other."""
    value = _value(pickled)
    if not isinstance(value, list):
        raise ValueError("a pickle that is no list of names")
    names = [item if isinstance(item, tuple) else (item,) for item in value]
    if not all(isinstance(text, str) for name in names for text in name):
        raise ValueError("a pickle that is no list of names")
    return names


def _value(pickled: bytes) -> Any:
    if len(pickled) > _MOST:
        raise ValueError("a pickle larger than 16 MiB")
    stack: list[Any] = []
    memo: dict[bytes, Any] = {}
    at = 0
    while at < len(pickled):
        instruction, at = pickled[at : at + 1], at + 1
        argument = b""
        if instruction in b"pgVIS":
            end = pickled.index(b"\n", at)
            argument, at = pickled[at:end], end + 1
        if instruction == b".":
            return stack.pop()
        _run(instruction, argument, stack, memo)
    raise ValueError("a pickle without an end")


def _run(instruction: bytes, argument: bytes, stack: list[Any], memo: dict[bytes, Any]) -> None:
    """One instruction; IndexError and KeyError where the pickle is damaged."""
    if instruction == b"(":
        stack.append(_MARK)
    elif instruction in (b"l", b"t"):
        mark = len(stack) - 1 - stack[::-1].index(_MARK)
        items = stack[mark + 1 :]
        stack[mark:] = [items if instruction == b"l" else tuple(items)]
    elif instruction == b"a":
        item = stack.pop()
        stack[-1].append(item)
    elif instruction == b"p":
        memo[argument] = stack[-1]
    elif instruction == b"g":
        stack.append(memo[argument])
    elif instruction == b"V":
        stack.append(argument.decode("raw-unicode-escape"))
    elif instruction == b"I":
        stack.append(int(argument))
    else:
        raise ValueError(f"a pickle with more in it than names (instruction {instruction!r})")
