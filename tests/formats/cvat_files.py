"""CVAT's XML as CVAT itself lays it out, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

SVG = (
    '<line x1="36.8" y1="47.7" x2="86.8" y2="10.7" stroke="black" data-type="edge" data-node-from="2" '
    'stroke-width="0.5" data-node-to="3"></line><line x1="25.1" y1="22.6" x2="36.8" y2="47.7" stroke="black" '
    'data-type="edge" data-node-from="1" stroke-width="0.5" data-node-to="2"></line>'
    + "".join(
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{10 * n}" cy="20" stroke-width="0.1" '
        f'data-type="element node" data-element-id="{n}" data-node-id="{n}" data-label-name="{name}"></circle>'
        for n, name in enumerate(("nose", "left paw", "right paw"), start=1)
    )
)
LABELS = f"""<labels>
        <label><name>dog</name><type>skeleton</type><attributes></attributes><svg>{escape(SVG)}</svg></label>
        <label><name>nose</name><type>points</type><attributes></attributes><parent>dog</parent></label>
        <label><name>left paw</name><type>points</type><attributes></attributes><parent>dog</parent></label>
        <label><name>right paw</name><type>points</type><attributes></attributes><parent>dog</parent></label>
        <label><name>ball</name><type>rectangle</type><attributes></attributes></label>
      </labels>"""


def task(
    name: str = "clips", *, source: str = "dog.mp4", size: int = 60, start: int = 0, step: int = 1, **more: Any
) -> str:
    """The <task> of a video; more: id, subset, and 'labels' to leave them out."""
    stop = start + step * (size - 1)
    return f"""<task>
      <id>{more.get("id", 5)}</id><name>{name}</name><size>{size}</size><mode>interpolation</mode><overlap>5</overlap>
      <bugtracker></bugtracker><created>2024-05-02 12:32:09.868194+00:00</created>
      <subset>{more.get("subset", "")}</subset>
      <start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame>
      <frame_filter>{f"step={step}" if step > 1 else ""}</frame_filter>
      {LABELS if more.get("labels", True) else ""}
      <segments>
        <segment><id>5</id><start>0</start><stop>{size // 2}</stop><url>http://localhost:8080/api/jobs/5</url></segment>
        <segment><id>6</id><start>{size // 2 - 4}</start><stop>{size - 1}</stop><url>http://localhost:8080/api/jobs/6</url></segment>
      </segments>
      <original_size><width>854</width><height>480</height></original_size>
      <source>{source}</source>
    </task>"""


def document(*tracks: str, meta: str | None = None) -> bytes:
    """The whole file."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    {task() if meta is None else meta}
    <dumped>2024-05-02 16:05:07.134046+00:00</dumped>
  </meta>
{"".join(tracks)}</annotations>
""".encode()


def track(*shapes: str, id: int = 0, label: str = "dog", source: str = "manual", **more: str) -> str:
    """A <track>; more: other attributes, such as task_id."""
    others = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'  <track id="{id}" label="{label}" source="{source}"{others}>\n{"".join(shapes)}  </track>\n'


def skeleton(frame: int, points: str = "vvv", key: int = 1, keys: Sequence[int] | None = None, at: float = 10.0) -> str:
    """A <skeleton>. points: v visible, o occluded, x outside, for nose, left and right paw. keys: theirs."""
    names = ("nose", "left paw", "right paw")
    # CVAT lists points in no certain order; the last comes first here.
    rows = [
        f'      <points label="{name}" keyframe="{key if keys is None else keys[n]}" outside="{int(state == "x")}" '
        f'occluded="{int(state == "o")}" points="{at + n:.2f},{at + frame:.2f}">\n      </points>\n'
        for n, (name, state) in enumerate(zip(names, points, strict=True))
    ]
    return f'    <skeleton frame="{frame}" keyframe="{key}" z_order="0">\n{"".join(rows[::-1])}    </skeleton>\n'


def box(frame: int, corners: Sequence[float], key: int = 1, outside: int = 0) -> str:
    """A <box>."""
    sides = " ".join(f'{name}="{value:.2f}"' for name, value in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
    return (
        f'    <box frame="{frame}" keyframe="{key}" outside="{outside}" occluded="0" {sides} z_order="0">\n    </box>\n'
    )
