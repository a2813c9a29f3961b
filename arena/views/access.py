"""Who operates the arena: whoever shows the token of `[access]`, in a header or once in the login form.

The form leaves a cookie, signed with the server's secret and the token together: a new token ends every login.
"""

import logging
import time
from collections.abc import Callable
from hmac import compare_digest

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from arena.errors import NotFound, TooManyRequests, Unauthorized
from arena.words import _

log = logging.getLogger(__name__)

COOKIE = "arena_operator"
MAX_AGE_SECONDS = 12 * 3600

WRONG_ALLOWED = 10  # from one address within a minute
WINDOW_SECONDS = 60.0
ADDRESSES = 1000  # that are remembered


class Access:
    """Tells the operator from everybody else. Without a token there is none."""

    def __init__(self, token: str | None, secret: bytes, now: Callable[[], float] = time.time) -> None:
        self._token = (token or "").strip().encode()
        self._signer = _Signer(secret + self._token, now)
        self._wrong = Wrong(now)

    def check(self, request: Request) -> None:
        """Passes the operator alone. Raises `NotFound` without a token, `Unauthorized`, `TooManyRequests`."""
        self.check_configured()
        if self.is_known(request):
            return
        scheme, _space, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(_("This page is for whoever runs the arena."))
        self.check_token(request, shown.strip())

    def check_token(self, request: Request, shown: str) -> None:
        """Passes the right token alone. Raises as `check` does."""
        self.check_configured()
        address = request.client.host if request.client else ""
        self._wrong.check(address)
        if not compare_digest(shown.encode(errors="replace"), self._token):
            self._wrong.note(address)
            log.warning("a wrong admin token came from %s", address)
            raise Unauthorized(_("That is not the admin token."))

    def is_known(self, request: Request) -> bool:
        """Whether the browser has a cookie that we gave it for this token, no longer than 12 hours ago."""
        try:
            self._signer.unsign(request.cookies.get(COOKIE, ""), MAX_AGE_SECONDS)
        except BadSignature:
            return False
        return bool(self._token)

    def remember(self, request: Request, response: Response) -> None:
        """Have the browser keep the cookie."""
        response.set_cookie(
            COOKIE,
            self._signer.sign("operator").decode(),
            max_age=MAX_AGE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def forget(self, response: Response) -> None:
        """Have the browser drop it."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    def check_configured(self) -> None:
        """Raises `NotFound` where there is no token, and so nothing to log in to."""
        if not self._token:
            raise NotFound(
                _(
                    "There is nothing here, because no admin token is configured: "
                    "admin_token_env in the section [access] of config.toml names one."
                )
            )


class Wrong:
    """Wrong tokens, counted by address: after too many, none from there is looked at for the rest of a minute."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._counts: dict[str, tuple[int, float]] = {}  # how many, and when the first one came

    def check(self, address: str) -> None:
        """Raises `TooManyRequests`."""
        if self._of(address)[0] >= WRONG_ALLOWED:
            raise TooManyRequests(
                _("Too many wrong tokens came from your address. Wait a minute, then try again.")
            )

    def note(self, address: str) -> None:
        count, since = self._of(address)
        self._counts[address] = (count + 1, since)
        if len(self._counts) > ADDRESSES:
            del self._counts[next(iter(self._counts))]

    def _of(self, address: str) -> tuple[int, float]:
        now = self._now()
        count, since = self._counts.get(address, (0, now))
        return (count, since) if now - since < WINDOW_SECONDS else (0, now)


class _Signer(TimestampSigner):
    """Takes the time from outside."""

    def __init__(self, secret: bytes, now: Callable[[], float]) -> None:
        super().__init__(secret, salt="operator")
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now())
