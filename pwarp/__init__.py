"""pwarp: from a few labelled frames to labels for every frame of a video."""

import os

# OpenCV takes this when it is imported: it then refuses a picture that claims more pixels (a few kilobytes of PNG can
# claim gigabytes) before it allocates them.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

__version__ = "0.1.0"
