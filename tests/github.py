"""GitHub at the outermost edge: the OIDC token that a job would be given.

Claims and subjects as documented [GitHub docs, actions/reference/security/oidc].
"""

from __future__ import annotations

import functools
import time
import uuid
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


class Repository(NamedTuple):
    """A repository with the numeric ids that GitHub gave it and its owner."""

    full_name: str
    owner_id: int = 123456
    repository_id: int = 456789

    @property
    def subject_prefix(self) -> str:
        """What GitHub reports as sub_claim_prefix for a repository created after 2026-07-15."""
        owner, name = self.full_name.split("/")
        return f"repo:{owner}@{self.owner_id}/{name}@{self.repository_id}"

    def subject(self, event: str, ref: str) -> str:
        """Return the subject of a job without environment: pull requests show no ref."""
        context = "pull_request" if event == "pull_request" else f"ref:{ref}"
        return f"{self.subject_prefix}:{context}"


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    """Return a key of this process; the emulator reads a token without asking for its key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(repository: Repository, event: str, ref: str, sha: str, audience: str = AUDIENCE) -> str:
    """Return a signed token like the one GitHub gives a job, valid for five minutes."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": repository.subject(event, ref),
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "ref": ref,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "sha": sha,
        "event_name": event,
        "repository": repository.full_name,
        "repository_id": str(repository.repository_id),
        "repository_owner": repository.full_name.split("/")[0],
        "repository_owner_id": str(repository.owner_id),
        "repository_visibility": "private",
        "workflow": "deploy",
        "job_workflow_ref": f"{repository.full_name}/.github/workflows/deploy.yml@{ref}",
        "runner_environment": "github-hosted",
    }
    return jwt.encode(claims, signing_key(), algorithm="RS256", headers={"kid": "rehearsal"})
