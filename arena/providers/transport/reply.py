"""One HTTP response, made of its bytes as they come. Knows no sockets.

It follows RFC 9112. As its sections 2.2 and 7.1 allow, a line may end in a bare LF, and blanks may stand behind
the size of a chunk.
"""

import httptools
import httpx

HEAD_BYTES = 64 * 1024
"""What a head may take at most; so, too, framing between two pieces of the body, and trailers."""


class Reply:
    """What has come of a response. Feed it; take the body as it gathers."""

    def __init__(self, method: str) -> None:
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_whole = False
        self._has_body = method != "HEAD"
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._framing_bytes = 0  # and those of the body that came with them
        self._ends_with_connection = False
        self._keeps_alive = False
        self._has_more = False  # than one response
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    @property
    def is_reusable(self) -> bool:
        """Its connection may carry another one: it is whole, and nothing came behind it."""
        return self.is_whole and self._keeps_alive and not self._has_more

    @property
    def version(self) -> bytes:
        return f"HTTP/{self._parser.get_http_version()}".encode()

    def feed(self, data: bytes) -> None:
        """Raises `httpx.RemoteProtocolError` where this is no response."""
        self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._has_more = True
            if not self.is_whole:
                raise self._unreadable(exc) from exc
        if self._head_bytes > HEAD_BYTES or (self._framing_bytes > HEAD_BYTES and not self.is_whole):
            raise httpx.RemoteProtocolError(f"the head or the framing is larger than {HEAD_BYTES} bytes")

    def end(self) -> None:
        """The other side hung up. Raises `httpx.ReadError` where more was due."""
        if not self._ends_with_connection:
            raise httpx.ReadError(f"hung up {'in the middle' if self.has_head else 'without an answer'}")
        self.is_whole = True

    def take(self) -> bytes:
        """The body that has gathered since the last call."""
        body = b"".join(self._body)
        self._body.clear()
        return body

    def _unreadable(self, exc: Exception) -> httpx.RemoteProtocolError:
        if self.status == 101:
            return httpx.RemoteProtocolError("it switches to a protocol that nobody asked for")
        return httpx.RemoteProtocolError(str(exc))

    # What the parser calls, also for what comes behind this response

    def on_message_begin(self) -> None:
        self._has_more = self.is_whole

    def on_status(self, reason: bytes) -> None:
        if not self.has_head:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; those behind the body, the trailers, are dropped."""
        if not self.has_head:
            self._head_bytes += len(name) + len(value)
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self.has_head = True
        self.is_whole = not self._has_body
        self._framing_bytes = 0
        self._keeps_alive = self._parser.should_keep_alive()
        fields = {name.lower(): value.lower() for name, value in self.headers}
        is_chunked = fields.get(b"transfer-encoding", b"").rstrip().endswith(b"chunked")
        self._ends_with_connection = not (is_chunked or b"content-length" in fields)

    def on_body(self, piece: bytes) -> None:
        if self.is_whole:
            self._has_more = True
            return
        self._framing_bytes = 0
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """The end of the response, or of an informational one, which announces it."""
        if self.status >= 200:
            self.is_whole = True
            return
        self.reason = b""
        self.headers.clear()
