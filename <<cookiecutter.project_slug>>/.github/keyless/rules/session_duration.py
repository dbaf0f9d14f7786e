"""The role allows a session as long as the one that the workflow asks for."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import UNJUDGED, Finding
from keyless.model.plan import Resource
from keyless.model.planned import PlannedEntry
from keyless.model.repository import Repository
from keyless.paths import TRUST_TF
from keyless.rules._entries import refused
from keyless.rules._values import Step, assuming_steps

ID = "session-duration"
WHY = "STS refuses a session that is longer than the role's maximum."
SOURCES = (
    (
        "AWS: AssumeRoleWithWebIdentity",
        "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html",
    ),
)
BEFORE = "role-duration-seconds: 7200 # and the role allows 3600"
AFTER = "role-duration-seconds: 3600"
LONGEST = 43200  # seconds that any role may allow [CreateRole, MaxSessionDuration]
SHORTEST = 900  # seconds [AssumeRoleWithWebIdentity, DurationSeconds]


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the seconds of each step with those of the role, and these with the entry."""
    for where in assuming_steps(repository):
        lasts = where.job.input(where.step, "role-duration-seconds") or "3600"
        longest = where.side.infra.longest if where.side.infra else LONGEST
        if not lasts.isdigit() or not SHORTEST <= int(lasts) <= longest:
            message = (
                f"role-duration-seconds is {lasts}, but the role allows {SHORTEST} to {longest}"
                f" ({TRUST_TF})"
            )
            mend = f"write role-duration-seconds: {longest}"
            rule = ID if lasts.isdigit() else UNJUDGED
            yield where.job.finding(
                where.step, "role-duration-seconds", rule, message, mend, str(longest)
            )
        yield from _outlived(where, lasts)
    yield from refused(repository, ID, {"max_session_duration"})
    for side in repository.sides:
        role = side.planned.role if side.planned else None
        if side.planned and role:
            wanted = side.entry.get("max_session_duration") or 3600
            yield from _planned_session(side.planned, role, wanted)


def _outlived(where: Step, lasts: str) -> Iterator[Finding]:
    """Yield where a job may take longer than an hour, and than its session.

    A limit of up to an hour is no sign that the job takes so long.
    """
    minutes = where.job.root.text("timeout-minutes")
    if lasts.isdigit() and minutes.isdigit() and int(minutes) > max(60, int(lasts) // 60):
        message = f"the job can take {minutes} minutes, but its session ends after"
        message += f" {int(lasts) // 60}, so AWS refuses later calls"
        mend = (
            "write less than that into timeout-minutes:, or max_session_duration in the entry and"
        )
        line = where.job.root.line("timeout-minutes")
        yield Finding(where.job.source.path, line, ID, message, f"{mend} role-duration-seconds")


def _planned_session(planned: PlannedEntry, role: Resource, wanted: int) -> Iterator[Finding]:
    """Hold the session of a role, as a plan has it, against its entry."""
    longest = role.get("max_session_duration")
    if longest == wanted:
        return
    message = f"sessions of {role.get('name')} last {longest} s, not {wanted}"
    if longest is None:
        message = f"the plan does not show how long sessions of {role.get('name')} last"
    mend = f"let {TRUST_TF} use max_session_duration, and remove ignore_changes"
    yield Finding(*planned.at(role), ID if longest else UNJUDGED, message, mend)
