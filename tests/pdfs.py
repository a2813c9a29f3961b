"""PDFs, written by hand: good ones, and those that mean harm to whoever reads them."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from itertools import cycle

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_ID = b"0123456789abcdef"
_ESCAPES = str.maketrans({letter: f"\\{letter}" for letter in "\\()"})


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def document(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file of these objects, numbered from 1; the first is its catalogue."""
    written, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for index, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (index, content)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % place for place in places)
    written += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    return bytes(written + b"startxref\n%d\n%%%%EOF\n" % start)


def pages(contents: Sequence[bytes], more: Sequence[bytes] = (), resources: bytes = b"") -> list[bytes]:
    """The objects of a file whose pages draw this. `more` follows them, from `first_free(contents)` on."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(contents), kids),
        FONT,
    ]
    for index, content in enumerate(contents):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> %s >> >>" % (5 + 2 * index, resources),
            content,
        ]
    return [*objects, *more]


def first_free(contents: Sequence[bytes]) -> int:
    return 4 + 2 * len(contents)


def drawn(text: str) -> bytes:
    """What draws these lines."""
    lines = (line.translate(_ESCAPES) for line in text.split("\n"))
    shown = b" T* ".join(b"(%s) Tj" % line.encode("cp1252") for line in lines)
    return b"BT /F1 12 Tf 14 TL 72 720 Td %s ET" % shown


def written(*texts: str) -> bytes:
    """A file with a page for each text."""
    return document(pages([stream(drawn(text)) for text in texts]))


def scanned(count: int = 2) -> bytes:
    """Pages that are pictures, as a scanner makes them."""
    contents = [stream(b"q 612 0 0 792 0 0 cm /Im1 Do Q")] * count
    picture = stream(
        zlib.compress(bytes(64 * 64)),
        b"/Type /XObject /Subtype /Image /Width 64 /Height 64 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Filter /FlateDecode",
    )
    return document(pages(contents, [picture], b"/XObject << /Im1 %d 0 R >>" % first_free(contents)))


def encrypted(text: str, password: bytes = b"") -> bytes:
    """A page that is enciphered (RC4, 40 bits); without a password anybody may read but not change it."""
    user = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5((b"owner" + _PADDING)[:32]).digest()[:5], user)
    key = hashlib.md5(user + owner + (-4).to_bytes(4, "little", signed=True) + _ID).digest()[:5]
    content = _rc4(hashlib.md5(key + (5).to_bytes(3, "little") + bytes(2)).digest()[:10], drawn(text))
    rules = b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >>" % (
        owner.hex().encode(),
        _rc4(key, _PADDING).hex().encode(),
    )
    objects, identity = pages([stream(content)], [rules]), _ID.hex().encode()
    return document(objects, b"/Encrypt %d 0 R /ID [<%s> <%s>]" % (len(objects), identity, identity))


def _rc4(key: bytes, data: bytes) -> bytes:
    return bytes(byte ^ other for byte, other in zip(data, _rc4_stream(key), strict=False))


def _rc4_stream(key: bytes) -> Iterator[int]:
    box, j = list(range(256)), 0
    for i, byte in zip(range(256), cycle(key), strict=False):
        j = (j + box[i] + byte) % 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    while True:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        yield box[(box[i] + box[j]) % 256]


def bomb(megabytes: int = 600) -> bytes:
    """A few kilobytes that unfold, in two steps, into a page's drawing of so much."""
    once, spaces = zlib.compressobj(9), b" " * 1_000_000
    content = b"".join(once.compress(spaces) for _ in range(megabytes)) + once.flush()
    return document(pages([stream(zlib.compress(content, 9), b"/Filter [/FlateDecode /FlateDecode]")]))


def wordy(megabytes: int = 100) -> bytes:
    """A page whose drawing writes text without end."""
    once, words = zlib.compressobj(9), b"(word word word word word word word) Tj T* " * 25_000
    start = once.compress(b"BT /F1 12 Tf 14 TL 72 720 Td ")
    content = start + b"".join(once.compress(words) for _ in range(megabytes)) + once.flush()
    return document(pages([stream(content, b"/Filter /FlateDecode")]))


def nested(depth: int = 40) -> bytes:
    """A page that draws a form twice, which draws the next twice, and so on: 2 to the power of `depth` in all."""
    contents = [stream(b"/X0 Do")]
    free = first_free(contents)
    forms = [
        stream(
            b"/X%d Do /X%d Do" % (level + 1, level + 1) if level < depth else drawn("The bottom"),
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> "
            b"/XObject << /X%d %d 0 R >> >>" % (level + 1, free + min(level + 1, depth)),
        )
        for level in range(depth + 1)
    ]
    return document(pages(contents, forms, b"/XObject << /X0 %d 0 R >>" % free))


def circle() -> bytes:
    """A tree of pages that has itself for a branch, and a form that draws itself."""
    objects = pages([stream(b"/X0 Do " + drawn("Round and round"))], resources=b"/XObject << /X0 6 0 R >>")
    objects[1] = b"<< /Type /Pages /Count 150 /Kids [2 0 R 4 0 R 2 0 R] /Parent 2 0 R >>"
    own = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X0 6 0 R >> >>"
    return document([*objects, stream(b"/X0 Do /X0 Do", own)])


def chained() -> bytes:
    """A table of places that says it goes on in itself."""
    file = written("Round and round")
    start = int(file.rsplit(b"startxref\n", 1)[1].split()[0])
    return file.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)
