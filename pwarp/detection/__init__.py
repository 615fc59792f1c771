"""Where people are in a frame: detectors behind one contract."""
