"""Looking at annotations: overlay videos and contact sheets."""

OVERLAY_SUFFIXES = (".mp4", ".mov", ".mkv")
SHEET_SUFFIXES = (".png", ".jpg", ".jpeg")
