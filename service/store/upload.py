"""The form of an upload, parsed while it arrives: fields are kept, the file's content is handed on.

Starlette's `form()` would write the whole content to a temporary file first, and only then let us look at the purpose.
"""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import ApiError
from service.store.files import PURPOSES

_FIELD_BYTES = 256
_PARTS = 8
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"
_FIELDS = ("purpose", _ANCHOR, _SECONDS)


class Form:
    """The parts `file`, `purpose`, and perhaps `expires_after`.

    Args:
        content_type: The request's, which says what separates the parts.

    Attributes:
        filename: What the client calls the file, as soon as that is known.

    Raises:
        ApiError: 400, here as in every method, naming what is wrong.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise _invalid("the body must be multipart/form-data with a boundary")
        self.filename: str | None = None
        self._fields: dict[str, str] = {}
        self._parts, self._complete = 0, False
        self._header, self._disposition = (b"", b""), b""
        self._name, self._value = "", b""
        self._content = bytearray()
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _invalid(f"the body is no form: {error}") from None

    def feed(self, chunk: bytes) -> bytearray:
        """Parse what has arrived; gives what of it belongs to the file."""
        self._content = bytearray()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _invalid(f"the body is no form: {error}") from None
        return self._content

    def finish(self) -> tuple[str, str, int | None]:
        """What the whole form says: the file's name, its purpose, and after how many seconds it expires."""
        if not self._complete:
            raise _invalid("the body ends before the form does")
        if self.filename is None:
            raise _invalid("this field is required", "file")
        if "purpose" not in self._fields:
            raise _invalid("this field is required", "purpose")
        return self.filename, self._fields["purpose"], self._expiry()

    def _expiry(self) -> int | None:
        anchor, seconds = self._fields.get(_ANCHOR), self._fields.get(_SECONDS)
        if anchor is None and seconds is None:
            return None
        if anchor != "created_at":
            raise _invalid("expected 'created_at'", _ANCHOR)
        if seconds is None or not (seconds.isascii() and seconds.isdecimal()):
            raise _invalid("expected a whole number of seconds", _SECONDS)
        if not 3600 <= int(seconds) <= 2_592_000:
            raise _invalid("expected a number from 3600 to 2592000", _SECONDS)
        return int(seconds)

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise _invalid("the form has too many parts")
        self._disposition, self._value = b"", b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = (b"", b"")

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name == "file":
            self._begin_file(options.get(b"filename", b"").decode(errors="replace"))
        elif self._name not in _FIELDS:
            raise _invalid(f"no such field; the form has file, {', '.join(_FIELDS)}", self._name or None)
        elif self._name in self._fields:
            raise _invalid("this field is given twice", self._name)

    def _begin_file(self, filename: str) -> None:
        if self.filename is not None:
            raise _invalid("this field is given twice", "file")
        if not filename:
            raise _invalid("expected a file, with a filename", "file")
        self.filename = filename

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._content += data[start:end]
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_BYTES:
            raise _invalid("this value is too long", self._name)

    def _on_part_end(self) -> None:
        if self._name == "file":
            return
        value = self._fields[self._name] = self._value.decode(errors="replace")
        # now, not at the end: the client sends it before the content, which it need not send in vain
        if self._name == "purpose" and value not in PURPOSES:
            raise _invalid(f"expected one of {', '.join(PURPOSES)}", "purpose")

    def _on_end(self) -> None:
        self._complete = True


def _invalid(message: str, param: str | None = None) -> ApiError:
    text = message if param is None else f"{param}: {message}"
    return ApiError(400, text, param=param, code="invalid_body" if param else "invalid_form")
