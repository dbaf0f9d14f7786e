"""How GitHub's REST API reads a request, and what it answers to one that it does not take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class HTTPError(Exception):
    """GitHub's answer is an error: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


NOT_FOUND = HTTPError(404, "Not Found")


def invalid(text: str) -> HTTPError:
    """Return the error for a body that does not have the documented form."""
    return HTTPError(422, f"Invalid request.\n\n{text}")


def content(text: str) -> dict[str, Any]:
    """Return the body of a request."""
    try:
        body = json.loads(text or "{}")
    except ValueError:
        raise HTTPError(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise invalid(f"{text} is not an object.")
    return body


def fields(body: Any, required: Mapping[str, type], optional: Mapping[str, type | None]) -> None:
    """Refuse a body that lacks a field, has an unknown one, or one of another type."""
    if not isinstance(body, dict):
        raise invalid(f"{json.dumps(body)} is not an object.")
    for name, kind in {**required, **optional}.items():
        if name in required and name not in body:
            raise invalid(f'"{name}" wasn\'t supplied.')
        if name in body and kind and type(body[name]) is not kind:
            raise invalid(f"Invalid property /{name}: {body[name]!r} is no {kind.__name__}.")
    for name in body.keys() - required.keys() - optional.keys():
        raise invalid(f'Invalid input: "{name}" is not a permitted key.')


def one_of(body: dict[str, Any], name: str, *values: str) -> None:
    """Refuse a field with another value."""
    if body[name] not in values:
        raise invalid(f"Invalid property /{name}: `{body[name]}` is not a possible value.")
