"""Static files: read once, served at URLs that contain their hash, and cached by browsers for a year."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.responses import Response

from jobs.console.errors import Refused

__all__ = ["FOLDER", "Assets"]

FOLDER: Final = Path(__file__).parents[1] / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_YEAR_S: Final = 31_536_000


class Assets:
    """The static files in a folder, by relative path.

    Args:
        folder: the folder; requirements/web.py writes its subfolder ``vendor/``, which may be missing: pages work
            without JavaScript.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in _TYPES
        }
        # One file, hence one request; it includes the reports' styles for colours, tables and charts.
        from shared.report.style import STYLE

        self._files["console.css"] = STYLE.encode() + self._files["console.css"]
        self._digests = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in self._files.items()}

    def has(self, name: str) -> bool:
        """Return whether a file is installed."""
        return name in self._files

    def url(self, name: str) -> str:
        """Return the URL of a file.

        Raises:
            KeyError: it is not installed.
        """
        return f"/static/{self._digests[name]}/{name}"

    def response(self, digest: str, name: str) -> Response:
        """Return a file; if the URL has another version, the response is not cacheable.

        Raises:
            Refused: this file does not exist (404).
        """
        if name not in self._files:
            raise Refused(404, "this file does not exist")
        kept = f"public, max-age={_YEAR_S}, immutable" if digest == self._digests[name] else "no-cache"
        return Response(self._files[name], media_type=_TYPES[Path(name).suffix], headers={"Cache-Control": kept})
