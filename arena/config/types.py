"""What single values of config.toml may be, and a table of them. Knows no setting."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
URL = Annotated[str, msgspec.Meta(pattern=r"^https?://")]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of config.toml: frozen, and closed to keys it does not know."""
