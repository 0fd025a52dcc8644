"""The parts of a workbook in a ZIP archive, unzipped within limits, and read by an XML parser without a DTD."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeVar
from xml.parsers import expat

from jobs.viewership.errors import refuse
from jobs.viewership.uploads.reading.limits import over
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from jobs.viewership.errors import Refused
    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["Archive", "Stop", "damaged"]

_CHUNK: Final = 1 << 18
# Small parts may compress well, but not many of them.
_FREE_BYTES: Final = 1 << 20
_FREE_TOTAL: Final = 16 << 20
_ENCRYPTED: Final = 1
# Sheets nest 7 elements deep, drawings about 20; nothing else is read.
_MAX_DEPTH: Final = 64
_MAX_TOKEN: Final = 1 << 21
_LISTED: Final = 5


class Stop(Exception):
    """Ends :meth:`Archive.parse`."""


def damaged(why: str) -> Refused:
    """Return the error for a workbook that cannot be read."""
    return refuse("FORMAT", f"the workbook is damaged: {why}; open it, save it as .xlsx or CSV and upload that")


_Handler = TypeVar("_Handler")


class _ByName(dict[str, _Handler | None]):
    """Name of an element, with or without a prefix -> its handler; None for an element without one."""

    def __init__(self, handlers: Mapping[str, _Handler]) -> None:
        super().__init__(handlers)
        self._handlers = handlers

    def __missing__(self, name: str) -> _Handler | None:
        handler = self._handlers.get(name.rpartition(":")[2])
        if len(self) < _FREE_BYTES >> 8:
            self[name] = handler
        return handler


class Archive:
    """A ZIP archive.

    Args:
        file: the archive.
        limits: limits on unzipped bytes and the ratio.

    Raises:
        Refused: ``FORMAT`` for an archive that cannot be read.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._limits = limits
        self._total = self._compressed = 0
        self._counted: set[str] = set()
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
            raise damaged(f"it is not a complete ZIP archive ({error})") from None
        # Some writers spell parts otherwise than they refer to them.
        self._parts = {_key(info.filename): info for info in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._parts

    def names(self) -> list[str]:
        """Return the names of the files, as they are spelled."""
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def listed(self) -> str:
        """Return the first names and the number of files, to be shown."""
        names = self.names()
        shown = ", ".join(brief(name) for name in names[:_LISTED])
        return f"{len(names):,} files: {shown}{', …' if len(names) > _LISTED else ''}"

    def check(self, name: str) -> None:
        """Count the size of a part, once.

        Raises:
            Refused: ``LIMIT`` if it is too large; ``FORMAT`` if it is encrypted or compressed in an unknown way.
        """
        if _key(name) in self._counted:
            return
        self._counted.add(_key(name))
        info = self._parts[_key(name)]
        if info.flag_bits & _ENCRYPTED:
            raise refuse("FORMAT", "the workbook is encrypted; remove its password and upload it again")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(f"part {brief(name)} is compressed by method {info.compress_type}")
        self._total += info.file_size
        self._compressed += info.compress_size
        if self._total > self._limits.unzipped_bytes:
            found = f"{self._total:,} bytes when unzipped"
            raise over("the workbook has", found, self._limits.unzipped_bytes, "save the sheet as CSV")
        for what, its, size, compressed, free in (
            (f"part {brief(name)} of the workbook unzips", "its", info.file_size, info.compress_size, _FREE_BYTES),
            ("the parts of the workbook unzip", "their", self._total, self._compressed, _FREE_TOTAL),
        ):
            if size > free and size > self._limits.ratio * compressed:
                raise over(
                    f"{what} to",
                    f"{size // max(1, compressed):,} times {its} size",
                    self._limits.ratio,
                    "it is a decompression bomb, or repeats one value; save the sheet as CSV",
                )

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a part.

        Raises:
            Refused: as :meth:`check`; ``FORMAT`` for a damaged part.
        """
        self.check(name)
        try:
            with self._zip.open(self._parts[_key(name)]) as part:
                while chunk := part.read(_CHUNK):
                    yield chunk
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            ValueError,
            RuntimeError,
            OSError,
            EOFError,
        ) as error:
            raise damaged(f"part {brief(name)} cannot be unzipped ({error})") from None

    def parse(
        self,
        name: str,
        starts: Mapping[str, Callable[[dict[str, str]], None]],
        ends: Mapping[str, Callable[[], None]] | None = None,
        text: Callable[[str], Any] | None = None,
    ) -> None:
        """Parse a part until its end, or until a handler raises :class:`Stop`.

        Args:
            name: name of the part.
            starts: name of an element, without its prefix -> receives its attributes.
            ends: likewise -> called at its end.
            text: receives pieces of text.

        Raises:
            Refused: ``FORMAT`` for a document type, elements nested too deeply, and what is not XML.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        shown = brief(name)
        depth = 0

        # A sheet has millions of elements: one more call for each takes a tenth of the time.
        at_start, at_end = _ByName(starts), _ByName(ends or {})

        def enter(element: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > _MAX_DEPTH:
                raise damaged(f"part {shown} nests more than {_MAX_DEPTH} elements")
            if (handler := at_start[element]) is not None:
                handler(attributes)

        def leave(element: str) -> None:
            nonlocal depth
            depth -= 1
            if (handler := at_end[element]) is not None:
                handler()

        def reject(*_: object) -> None:
            raise damaged(f"part {shown} declares a document type, which no workbook has")

        parser.StartElementHandler, parser.EndElementHandler = enter, leave
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = reject
        try:
            self._feed(parser, name)
        except Stop:
            pass
        except expat.ExpatError as error:
            raise damaged(f"part {shown} is not XML ({error})") from None

    def _feed(self, parser: expat.XMLParserType, name: str) -> None:
        fed = 0
        for chunk in self.chunks(name):
            parser.Parse(chunk, False)
            fed += len(chunk)
            # expat scans an incomplete token again with each chunk.
            if fed - max(0, parser.CurrentByteIndex) > _MAX_TOKEN:
                raise damaged(f"part {brief(name)} has a tag of more than {_MAX_TOKEN:,} bytes")
        parser.Parse(b"", True)

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """Return the relations of a part: id -> last word of the type, name of the target.

        Targets outside the archive are left out: nothing follows them.
        """
        folder, base = posixpath.split(name)
        found: dict[str, tuple[str, str]] = {}

        def relate(attributes: dict[str, str]) -> None:
            if attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = posixpath.normpath(
                    posixpath.join("/", folder, attributes.get("Target", "").replace("\\", "/"))
                )
                found[attributes.get("Id", "")] = (kind, target.lstrip("/"))

        relations = posixpath.join(folder, "_rels", f"{base}.rels")
        if relations in self:
            self.parse(relations, {"Relationship": relate})
        return found


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()
