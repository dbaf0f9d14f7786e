"""What runs the image, as `keyless deploy` and `keyless doctor` see it, whichever service it is."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

from keyless.aws import Refused
from keyless.model.service import Service


class Running(NamedTuple):
    """A service as it is now, whoever deployed it."""

    arn: str
    image: str  # by its digest, where this pipeline has deployed it
    version: str  # of that image; empty where it is not known
    as_wanted: bool  # whether it runs the image and the settings that were asked about
    url: str
    doing: str  # what is under way; empty where it is steady

    @property
    def digest(self) -> str:
        """The digest of what it runs, empty where it runs an image under a tag, or none."""
        return self.image.partition("@")[2]

    @property
    def shown(self) -> str:
        """What it runs, for a reader."""
        image = self.digest or self.image or "no image"
        return f"{image} ({self.version})" if self.version else image


class Progress(NamedTuple):
    """How far a deployment is: whether it has ended, and well, and what AWS says of it."""

    ended: bool
    well: bool
    text: str


class Target(Protocol):
    """A service of AWS that runs the image: ECS in Express Mode or App Runner.

    It remembers the deployment that this run has begun. Each question raises Refused where AWS
    answers with an error, and KeyError and its like where an answer has another shape.
    """

    title: str  # as messages name it
    service: Service
    began: bool  # whether this run has asked it to deploy

    def find(self, image: str = "") -> Running | None:
        """Return what the service runs, None where there is none; `image` is what it should run.

        Raises:
            Problem: it is in a state that nothing can be deployed in.
        """
        ...

    def removal(self) -> str:
        """Return the command that deletes the service, empty where there is none."""
        ...

    def deploy(self, running: Running | None, image: str, version: str) -> None:
        """Begin a deployment: create the service, or update the one that is running.

        Raises:
            Problem: something is missing that the service needs.
        """
        ...

    def raced(self, refused: Refused) -> bool:
        """Tell whether it refuses because somebody else is creating or deploying the service."""
        ...

    def step(self) -> Progress:
        """Return how far the deployment is that this run has begun."""
        ...

    def events(self) -> list[str]:
        """Return the events that AWS has recorded for the service, the newest last."""
        ...


def one_line(text: str) -> str:
    """Return what AWS says in one line, without what a runner would take for a command."""
    return " ".join(str(text).split()).replace("##[", "# #[")


def covers(described: Any, wanted: Any) -> bool:
    """Tell whether AWS describes what was wanted; it describes more, and lists in its own order."""
    if isinstance(wanted, dict):
        return all(covers((described or {}).get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return _sorted_json(described) == _sorted_json(wanted)
    return str(described) == str(wanted)


def _sorted_json(items: list[Any] | None) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in items or [])
