"""The review page: one web page that shows a video under its labels, and gives corrections back as a label file.

    write_page(Path("review.html"), video, annotations)

`facts` is what the page knows, `film` the pictures that it shows, `carried` the labels that it gives back, `document`
puts them into one file. What the page does with them stands in assets/, one idea a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.review.page.carried import carried_file
from pwarp.review.page.document import write_document
from pwarp.review.page.facts import facts_and_arrays
from pwarp.review.page.film import Film, write_film
from pwarp.video import Video

__all__ = ["PageOptions", "write_page"]


@dataclass(frozen=True)
class PageOptions:
    """What goes into a page.

    labels: what people call the label file; the corrections are named after it.
    width: of the pictures, in pixels; None: the video's own, at most `film.WIDEST`.
    link: name of the film's file beside the page, where it is not to be embedded.
    """

    labels: str = "labels.json"
    width: int | None = None
    link: str | None = None


def write_page(
    page: BinaryIO,
    video: Video,
    annotations: Annotations,
    options: PageOptions | None = None,
    *,
    film_path: Path | None = None,
    on_frame: Callable[[], object] = lambda: None,
) -> Film:
    """Write the page of a video's annotations to an open file, and return what film is in it.

    annotations: bound to the video, as `formats.read(..., video=video)` gives them. film_path: where to put the film
    that the options link to. on_frame is called after each frame.

    Pictures stream: memory does not grow with the video's length. The same input gives the same bytes.
    Raises PwarpError where the video cannot be read, the film cannot be written, or there are no tracks to review.
    """
    options = options or PageOptions()
    if not annotations.tracks:
        raise PwarpError("these labels hold no track, so there is nothing to review; label or propagate first")
    with TemporaryDirectory(prefix="pwarp-review-") as folder:
        path = film_path or Path(folder) / "film.mp4"
        film = write_film(path, video, width=options.width, on_frame=on_frame)
        labels = carried_file(annotations, video, Path(folder))
        facts, arrays = facts_and_arrays(video, annotations, labels, film, options.labels, options.link)
        write_document(page, facts, arrays, labels, None if options.link else path)
    return film
