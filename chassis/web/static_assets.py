"""Static files of a page: read once at start, and sent plain, gzipped, or as 304 if the browser has them."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
KIT = Path(__file__).parent / "static"
"""What every page uses: DOM, requests, storage, and a style sheet."""
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


@dataclass(frozen=True, slots=True)
class File:
    """A file's content, plain and gzipped."""

    content: bytes
    gzipped: bytes
    etag: str
    media_type: str

    @classmethod
    def of(cls, content: bytes, suffix: str) -> "File":
        return cls(content, gzip.compress(content, mtime=0), f'"{_digest(content)}"', TYPES[suffix])

    def response(self, request: Request, caching: str, headers: Mapping[str, str] | None = None) -> Response:
        """The file, or 304 if the browser has it."""
        sent = {"ETag": self.etag, "Cache-Control": caching, "Vary": "Accept-Encoding", **(headers or {})}
        known = request.headers.get("if-none-match", "")
        if self.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=sent)
        if re.search(r"\bgzip\b(?!\s*;\s*q=0)", request.headers.get("accept-encoding", "")):
            return Response(self.gzipped, headers={**sent, "Content-Encoding": "gzip"}, media_type=self.media_type)
        return Response(self.content, headers=sent, media_type=self.media_type)


class StaticAssets:
    """A folder with an `index.html` and what it needs, with the kit of all pages, under one version of them all.

    In the index, `$version` is that version and `$preloads` a link per script, so that all of them load at once.
    """

    def __init__(self, folder: Path, path: str, generated: Mapping[str, bytes] | None = None) -> None:
        """`path` is the URL prefix of the files; `generated` are files that are not in the folder.

        Raises ValueError for a file of the folder that has the name of one of the kit.
        """
        kit, own = _read(KIT), _read(folder)
        if both := kit.keys() & own.keys():
            raise ValueError(f"{folder} has files that the kit has, too: {', '.join(sorted(both))}")
        sources = {**kit, **own, **(generated or {})}
        index = sources.pop("index.html").decode()
        self.version = _digest(index.encode(), *sources.values())
        modules = "\n".join(
            f'<link rel="modulepreload" href="{path}/{self.version}/{name}">'
            for name in sources
            if name.endswith(".js")
        )
        filled = Template(index).substitute(version=self.version, preloads=modules)
        self.index = File.of(filled.encode(), ".html")
        self._files = {name: File.of(content, Path(name).suffix) for name, content in sources.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def response(self, request: Request, version: str, name: str, headers: Mapping[str, str]) -> Response:
        """The response for one file. Raises KeyError if there is none of that name."""
        # During an update, another version's page may ask here: it gets this version's file, not to be cached.
        caching = IMMUTABLE if version == self.version else "no-store"
        return self._files[name].response(request, caching, headers)


def _read(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in TYPES}


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]
