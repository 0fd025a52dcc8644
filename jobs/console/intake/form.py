"""The form of an upload, parsed while it arrives: one file, whose bytes are never held as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from jobs.console.errors import Refused
from jobs.console.intake.names import file_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["FIELD", "UploadForm"]

FIELD: Final = "file"
"""Name of the form's only field."""

# A name of 255 characters, each 4 bytes, and the other headers; longer names get an answer of their own.
_MOST_HEADER_BYTES: Final = 16 * 1024


class UploadForm:
    """An incremental parser of a multipart form with one file.

    Args:
        content_type: the header of the request.

    Raises:
        Refused: 400 ``bad_form``: the request is not a multipart form.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise _bad("it is not multipart/form-data with a boundary")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._ends,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks, max_header_size=_MOST_HEADER_BYTES)
        except FormParserError:
            raise _bad("its boundary is too long") from None
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._pieces: list[bytes] = []
        self._complete = False
        self.filename: str | None = None
        """The file's name, as soon as it is known."""

    def feed(self, data: bytes) -> list[bytes]:
        """Parse the next bytes of the body, and return the bytes of the file among them.

        Raises:
            Refused: 400: the form is not valid, has no file or several, or the file's name is refused.
        """
        self._pieces = []
        try:
            self._parser.write(data)
        except FormParserError:
            raise _bad("its parts are not valid, or a header of a part is too long") from None
        return self._pieces

    def finish(self) -> str:
        """Check the end of the body, and return the file's name.

        Raises:
            Refused: 400 ``body_cut``: the body ended before the form did; ``no_file``: the form has no file.
        """
        if not self._complete:
            raise Refused(
                400,
                "the upload was cut off: its body ended before the form did; nothing was stored; upload the file again",
                code="body_cut",
            )
        if self.filename is None:
            raise _no_file()
        return self.filename

    def _part_begins(self) -> None:
        self._name = self._value = self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        if kind != b"form-data" or options.get(b"name") != FIELD.encode():
            raise _bad(f"it has a part that is not the field '{FIELD}'")
        if self.filename is not None:
            raise Refused(400, "the form has several files; expected one; upload them one by one", code="two_files")
        name = options.get(b"filename", b"")
        if not name:
            raise _no_file()
        self.filename = file_name(name)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _ends(self) -> None:
        self._complete = True


def _no_file() -> Refused:
    return Refused(400, "the form has no file; expected one in the field 'file'; choose a file first", code="no_file")


def _bad(what: str) -> Refused:
    return Refused(400, f"the form is not valid: {what}; expected multipart/form-data with one file", code="bad_form")
