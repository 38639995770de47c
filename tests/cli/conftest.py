"""Running the command line inside the test's process, as `manifoldconv ARGUMENTS` would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from manifoldconv.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of a run that was refused."""
        assert self.status == 2, self.err
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("manifoldconv: error: ")
        assert self.out == ""
        return lines[0]


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample a pixel: what pictures look like is the business of the tests of `plot`."""
    monkeypatch.setattr("manifoldconv.plot.picture.SUBPIXELS", 1)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line with arguments of any type."""

    def call(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        seen = capsys.readouterr()
        return Outcome(status, seen.out, seen.err)

    return call
