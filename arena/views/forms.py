"""What a form sent: bounded, strictly UTF-8, nothing replaced in silence."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from arena.errors import BadRequest, TooLarge, Unprocessable

FORM = "application/x-www-form-urlencoded"
FIELDS = 50


async def read_form(request: Request, max_bytes: int) -> dict[str, str]:
    """The fields of a posted form, with lines ended by `\\n`. Raises `BadRequest`, `TooLarge`."""
    kind = request.headers.get("content-type", FORM).split(";")[0].strip().lower()
    if kind != FORM:
        raise BadRequest(f"This page takes forms ({FORM}), not {kind[:100]}.")
    body = await _body(request, max_bytes)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeDecodeError as exc:
        raise BadRequest("The text could not be read: it is not valid UTF-8.") from exc
    except ValueError as exc:
        raise BadRequest(f"The form has more than {FIELDS} fields.") from exc
    return {name: _lines(value) for name, value in fields}


async def _body(request: Request, max_bytes: int) -> bytes:
    """The body, read no further than `max_bytes`."""
    words = f"This is more than the {max_bytes:,} bytes the arena reads at once."
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge(words)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(words)
    return bytes(body)


def _lines(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n")


def check_prompt(prompt: str, max_characters: int) -> str:
    """The prompt, as it is. Raises `Unprocessable` for one that is empty, too long or holds a NUL."""
    if not prompt.strip():
        raise Unprocessable("The prompt is empty. Write something for the two models to answer.")
    if len(prompt) > max_characters:
        raise Unprocessable(
            f"The prompt has {len(prompt):,} characters; the limit is {max_characters:,}. "
            "Nothing was sent: shorten it below and send it again.",
        )
    if "\0" in prompt:
        raise Unprocessable("The prompt holds a NUL character, which no model can read.")
    return prompt
