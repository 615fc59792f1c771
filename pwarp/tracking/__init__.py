"""Identities over time for detections and for labels that carry none."""
