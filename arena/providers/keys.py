"""Where the key of a service comes from: the environment, a file, or config.toml. Never says what it is."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from arena.config import Hosted
from arena.errors import BackendRefused, ConfigError

log = logging.getLogger(__name__)

Key = Callable[[], str | None]
"""The key as it is now; `None` where the service takes none. Raises `BackendRefused`."""

_FIT_FOR_A_HEADER = re.compile(r"[!-~]+")


def key_of(settings: Hosted, environ: Mapping[str, str]) -> Key:
    """The key that these settings name, looked at once. Raises `ConfigError`, which never says what the key is."""
    where = f'providers ("{settings.name}")'
    if settings.api_key_file is not None:
        key: Key = partial(_from_file, settings.name, Path(settings.api_key_file).expanduser())
        try:
            key()
        except BackendRefused as exc:
            raise ConfigError(f"{where}.api_key_file: {exc}. Write the key into the file, alone.") from exc
        return key
    if settings.api_key_env is not None:
        found = _checked(environ.get(settings.api_key_env, ""))
        if found is None:
            is_there = bool(environ.get(settings.api_key_env, "").strip())
            said = "holds characters that no header can carry." if is_there else "is missing from the environment."
            raise ConfigError(
                f"{where}.api_key_env: {settings.api_key_env} {said} "
                f"Set it before starting: export {settings.api_key_env}=…"
            )
        return lambda: found
    if settings.api_key is not None:
        written = _checked(settings.api_key)
        if written is None:
            raise ConfigError(f"{where}.api_key: holds characters that no header can carry. Change the value.")
        log.warning(
            "%s.api_key: the key stands in the configuration, where others may read it: "
            "api_key_env or api_key_file keep it elsewhere",
            where,
        )
        return lambda: written
    return lambda: None


def _from_file(name: str, file: Path) -> str:
    """The key in the file, read anew each time: whoever renews it need not tell us."""
    try:
        key = _checked(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise BackendRefused(f"{name}: {file} cannot be read: {reason}") from None
    if key is None:
        raise BackendRefused(f"{name}: {file} holds no key that a header can carry")
    return key


def _checked(text: str) -> str | None:
    """The key without the white space around it, if it is one that a header can carry."""
    key = text.strip()
    return key if _FIT_FOR_A_HEADER.fullmatch(key) else None
