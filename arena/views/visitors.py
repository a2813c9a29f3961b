"""Who asks: a visitor is the random id in a signed cookie, and nothing else is known of a person."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

from arena.errors import ConfigError

COOKIE = "arena_voter"
MAX_AGE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie


class Visitors:
    """Reads and writes the cookie, signed with the secret kept in `secret_file`."""

    def __init__(self, secret_file: Path) -> None:
        self._signer = Signer(secret(secret_file), salt="voter")

    def known(self, request: Request) -> str | None:
        """The visitor's id, or `None` for one without a cookie or with one we did not sign."""
        try:
            return self._signer.unsign(request.cookies.get(COOKIE, "")).decode()
        except BadSignature:
            return None

    def welcome(self, request: Request) -> str:
        """The visitor's id, a new one for a new visitor."""
        return self.known(request) or str(uuid4())

    def remember(self, request: Request, response: Response, voter_id: str) -> None:
        """Have the browser keep the id."""
        response.set_cookie(
            COOKIE,
            self._signer.sign(voter_id).decode(),
            max_age=MAX_AGE_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )


def secret(file: Path) -> bytes:
    """The secret in `file`, made on first use and readable by nobody else. Raises `ConfigError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        found = file.read_bytes().strip()
    except OSError as exc:
        raise ConfigError(f"{file}: the secret for cookies cannot be read or written: {exc}") from exc
    if len(found) < 32:
        raise ConfigError(f"{file}: the secret for cookies is too short. Delete the file to have a new one made.")
    return found


def _make(file: Path) -> None:
    """Write a secret beside the file and give it the name when it is whole, unless another server was quicker."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}-") as made:  # readable by us alone
        made.write(secrets.token_hex(32).encode())
        made.flush()
        with suppress(FileExistsError):
            os.link(made.name, file)
