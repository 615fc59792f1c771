"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _shared(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT.parent / "shared" / folder)
    if not path.is_dir():
        pytest.skip(f"needs {variable}, the folder of shared measuring material")
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real video with truth; see PWARP_DATA in CONTRIBUTING.md."""
    return _shared("PWARP_DATA", "data")


@pytest.fixture(scope="session")
def oracle_dir() -> Path:
    """Inputs with the official evaluators' outputs; see PWARP_ORACLE in CONTRIBUTING.md."""
    return _shared("PWARP_ORACLE", "oracle")
