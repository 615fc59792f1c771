"""One file of it all: the page's own text with style, scripts and data put in, safe against what labels may be called.

Names come from strangers. No data stands in the page as markup or as script: blocks of data are base64, the title is
escaped, and a policy lets run only the one script whose hash it names, and lets nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pwarp.errors import PwarpError
from pwarp.review.palette import GROUND, INK, MUTED, PAPER, Colour

# Each script comes after those that it imports from.
SCRIPTS = (
    "bytes", "labels", "spans", "cursor", "corrections", "carried", "poses", "confidence", "saving", "export", "film",
    "view", "colours", "marks", "people", "stage", "ruler", "rows", "timeline", "person", "keypoints", "worst",
    "transport", "actions", "keyboard", "main",
)  # fmt: skip
_CHUNK = 3 << 18  # bytes, a multiple of three: chunks of base64 then join without padding


def write_document(page: BinaryIO, facts: dict[str, Any], arrays: bytes, labels: bytes, film: Path | None) -> None:
    """Write the page; film: the file to embed, None where the facts link to it."""
    style, script = _style(), _script()
    try:
        written = orjson.dumps(facts)
    except orjson.JSONEncodeError as error:
        raise PwarpError(f"a page cannot hold a name among these ({error}); rename the file or folder") from error
    title = f"{facts['video']['name']} \N{MIDDLE DOT} {facts['labels']['name']} \N{EM DASH} pwarp review"
    for i, piece in enumerate(re.split(r"\{\{(\w+)\}\}", _asset("page.html"))):
        if i % 2 == 0:
            page.write(piece.encode())
        elif piece == "film":
            if film is not None:
                _write_file(page, film)
        elif piece in ("facts", "arrays", "labels"):
            content = {"facts": written, "arrays": arrays, "labels": labels}[piece]
            page.write(base64.b64encode(content))
        else:
            text = {
                "title": html.escape(title),
                "policy": html.escape(_policy(style, script, linked=film is None)),
                "style": style,
                "script": script,
            }[piece]
            page.write(text.encode(errors="replace"))


def _write_file(page: BinaryIO, path: Path) -> None:
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            page.write(base64.b64encode(chunk))


def _policy(style: str, script: str, *, linked: bool) -> str:
    """A content security policy (w3.org/TR/CSP3) under which the page can neither load nor send anything."""
    media = "blob: 'self' file:" if linked else "blob:"
    rules = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "media-src": media,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style() -> str:
    """The style sheet with the palette's neutral colours as variables."""
    named: dict[str, Colour] = {"ground": GROUND, "ink": INK, "paper": PAPER, "muted": MUTED}
    variables = "".join(f"--{name}:rgb{colour};" for name, colour in named.items())
    return f":root{{{variables}}}\n{_asset('page.css')}"


def _script() -> str:
    """All scripts as one, each in a scope of its own that lets out what it exports."""
    return "".join(_enclosed(_asset(f"{name}.js")) for name in SCRIPTS)


def _enclosed(script: str) -> str:
    exports = ", ".join(re.findall(r"(?m)^export (?:class|const|function) (\w+)", script))
    body = re.sub(r"(?m)^import .*;\n|^export ", "", script)
    return f"const {{ {exports} }} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
