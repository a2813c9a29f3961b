"""What all tests share: an arena to play in, and the rule that nothing is skipped."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.house import House, Visitor, open_house

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_proxy_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name a proxy; the servers of a test are its own."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running arena with two contenders that answer when the test says so."""
    async with open_house(tmp_path) as found:
        yield found


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    """A newcomer to that arena."""
    async with house.visitor() as found:
        yield found


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test hides a gap: it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
