"""Names of what detectors tell apart: the 80 categories of COCO, which models rarely bring along."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pwarp.errors import PwarpError

# In the order of a detector's classes (Lin et al. 2014; the ids in COCO's files have gaps).
_NAMES = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign "
    "parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella "
    "handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard "
    "surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich orange "
    "broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed dining_table toilet tv laptop "
    "mouse remote keyboard cell_phone microwave oven toaster sink refrigerator book clock vase scissors "
    "teddy_bear hair_drier toothbrush"
)
COCO_80 = tuple(name.replace("_", " ") for name in _NAMES.split())


def class_of(category: str, names: Sequence[str], who: str) -> int:
    """Index of a category among a detector's names; the only one there is goes by any name.

    Raises PwarpError with names that come near where there is none.
    """
    if len(names) == 1:
        return 0
    if category in names:
        return names.index(category)
    near = get_close_matches(category, names, n=3) or list(names[:6])
    raise PwarpError(f"{who} knows no category '{category}'; it knows {len(names)}, such as: {', '.join(near)}")


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names that Ultralytics writes into `names` as a Python dictionary; None where there are none."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        return tuple(str(names[i]) for i in range(len(names)))
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, RecursionError, MemoryError):
        return None
