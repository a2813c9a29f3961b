"""A visitor's request on its way from backend to backend."""

from collections.abc import Sequence
from dataclasses import dataclass

from arena.backend import Prompt
from arena.config import Model
from arena.errors import BackendError, BackendRefused, ParametersRefused
from arena.router.attempt import Attempt
from arena.router.route import Route


@dataclass(eq=False, slots=True)
class Errand:
    """`routes` and `seconds` are those that are left. `is_let_in`: its place was checked before it came.

    `has_wishes`: the visitor has set parameters.
    """

    model: Model
    prompt: Prompt
    routes: Sequence[Route]
    seconds: float
    is_let_in: bool
    has_wishes: bool = False
    attempt: Attempt | None = None

    def moves_on(self, error: BackendError) -> bool:
        """Whether another backend may do what the latest one did not."""
        attempt = self.attempt
        if attempt is None or attempt.has_spoken or not error.may_move:
            return False
        self.routes = [route for route in self.routes if route.desk is not attempt.route.desk]
        self.seconds -= attempt.seconds
        self.is_let_in = True
        return any(route.is_open for route in self.routes)

    def told(self, error: BackendError) -> BackendError:
        """The error as the visitor is told it: what was refused may be what they had set."""
        if self.has_wishes and isinstance(error, BackendRefused):
            return ParametersRefused(*error.args)
        return error
