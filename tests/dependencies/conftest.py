"""An index of packages in a folder, which uv reads in the place of PyPI."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Index:
    """A folder of wheels that hold nothing but their metadata."""

    folder: Path

    def publish(self, name: str, version: str, *needs: str, tag: str = "py3-none-any") -> None:
        """Add a release of a package, which may need other packages, and may suit some machines only."""
        requirements = "".join(f"Requires-Dist: {need}\n" for need in needs)
        about = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(self.folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
            wheel.writestr(
                f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirements}"
            )
            wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return Index(folder)
