"""A repository as the rules see it: everything is read once, before the first rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.callers import lending_entries
from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.following import World, follow
from keyless.model.identity import Identity, identify
from keyless.model.images import Named, Pushes, pushes_of
from keyless.model.infra import Infra
from keyless.model.job_search import find_jobs, needed_jobs
from keyless.model.jobs import Job, calls_trusted, keys_of_roles
from keyless.model.layouts import Handover, find_handovers
from keyless.model.plan import Plan, planned_keys
from keyless.model.planned import PlannedEntry, planned_entry
from keyless.model.refs import Run, common_refs, is_untrusted
from keyless.model.service import Service, read_service
from keyless.model.subjects import ref_is_tested
from keyless.model.terraform import read_infra
from keyless.model.workflows import BUILD, Workflow, inline_actions, read_workflow, workflow_paths


@dataclass(frozen=True)
class Publication:
    """What the jobs of an entry publish."""

    entry: dict[str, Any]
    jobs: list[Job]
    infra: Infra  # without exclusion filters where AWS would refuse them
    pushes: list[Pushes]  # one for each job
    to_branch: bool  # whether a branch publishes, so that a tag may name many commits

    @property
    def unseen(self) -> bool:
        """Whether a job may push more than is named."""
        return any(each.unseen for each in self.pushes)

    @property
    def pushed(self) -> list[Named]:
        """All names that builds push."""
        return [name for each in self.pushes for name in each.pushed]

    @property
    def tagged(self) -> list[Named]:
        """All names that are put on an image that is there."""
        return [name for each in self.pushes for name in each.tagged]

    @property
    def needed(self) -> set[str]:
        """The actions that the jobs' calls need."""
        return {action for each in self.pushes for action in each.needed}


class Followed(NamedTuple):
    """A job that assumes an entry's role itself, followed for a way in which it starts."""

    side: Side
    job: Job
    run: Run
    worlds: list[World] | None  # None where they are too many
    pushing: list[Mapping]  # the steps that push images

    def pushes(self, step: Mapping) -> bool:
        """Tell whether a step pushes an image, or may do so."""
        return any(step is each for each in self.pushing)

    def builds(self, step: Mapping) -> bool:
        """Tell whether a step builds the image that it pushes."""
        return self.pushes(step) and step in self.job.using(BUILD)

    @property
    def shown(self) -> str:
        """What starts the job, in words."""
        return f"{self.run.event} of {self.run.ref}"


@dataclass(frozen=True)
class Side:
    """One entry: the jobs that assume its role, and what Terraform makes of it."""

    key: str
    entry: dict[str, Any]
    jobs: list[Job]
    infra: Infra | None  # None where it is not known in full, which is a finding
    planned: PlannedEntry | None  # only where a plan is judged
    service: Service | None  # only where this entry's image is run
    publication: Publication | None  # None where no job assumes the role itself


@dataclass(frozen=True)
class Repository:
    """Workflows, account and infra/ of a repository, and what follows from them."""

    root: Path
    account: Account
    identity: Identity
    service: Service | None
    workflows: list[Workflow]
    actions: dict[str, Workflow]  # composite actions of the repository, by path
    jobs: list[Job]
    assuming: list[Job]  # jobs that assume a role, or call a workflow that a role trusts
    publishing: dict[str, list[Job]]  # jobs by the key of the entry that they are held against
    plan: Plan | None
    unplanned: list[Finding]  # why infra/, which is not as it was generated, has no plan
    sides: list[Side]

    @cached_property
    def followed(self) -> list[Followed]:
        """The jobs that assume a role themselves, for each trusted ref that starts them."""
        return [
            Followed(side, job, run, follow(job, run), pushes.steps)
            for side in self.sides
            if side.publication
            for job, pushes in zip(side.publication.jobs, side.publication.pushes)
            for run in job.starts
            if not is_untrusted(run.event)
            and any(common_refs(run.ref, ref) for ref in side.entry["refs"])
        ]

    @cached_property
    def handovers(self) -> list[Handover]:
        """The jobs that push what others have built, each once."""
        return [*find_handovers(self.judged, self.jobs)]

    @cached_property
    def built(self) -> list[Followed]:
        """The jobs that build for another one to push, for each way in which that one starts."""
        return [
            Followed(followed.side, build.job, run, follow(build.job, run), [build.step])
            for followed in self.followed
            for handover in self.handovers
            if handover.job is followed.job
            for build in handover.builds
            for run in build.job.starts
            if run.event == followed.run.event and common_refs(run.ref, followed.run.ref)
        ]

    @property
    def sources(self) -> list[Workflow]:
        """All workflows and composite actions."""
        return [*self.workflows, *self.actions.values()]

    @property
    def judged(self) -> list[Job]:
        """The jobs that are held against an entry."""
        return [job for jobs in self.publishing.values() for job in jobs]

    @property
    def publications(self) -> list[Publication]:
        """What is published, entry by entry, as far as it is known what infra/ makes."""
        return [side.publication for side in self.sides if side.publication]

    def needed(self, job: Job) -> list[Job]:
        """Return the jobs that a job needs, the first ones first."""
        beside = [
            other
            for other in self.jobs
            if other.source is job.source and other.callers == job.callers
        ]
        names = needed_jobs(job.source.root.of("jobs"), job.name)
        return [other for name in names for other in beside if other.name == name]

    def needs_token(self, job: Job) -> bool:
        """Tell whether a job is held against an entry, or calls one that assumes a role."""
        needing = [*self.judged, *(caller for one in self.assuming for caller in one.callers)]
        return any(job is other for other in needing)

    def entries_of(self, job: Job, guess: bool = True) -> list[str]:
        """Return the keys of the entries whose roles a job assumes; an unknown role may be any."""
        return keys_of_roles(self.account, job, guess)


def read_repository(
    root: Path,
    account: Account,
    plan: Plan | None = None,
    unplanned: Iterable[Finding] = (),
    name: str | None = None,
) -> Repository:
    """Read a repository.

    Args:
        root: its folder.
        account: what it says of its account.
        plan: what Terraform makes of infra/, judged in place of its files.
        unplanned: where there is none and infra/ is not as it was generated: why.
        name: whose repository it is, if that was said.

    Raises:
        CannotJudge: a file that is needed is missing or cannot be read.
    """
    service = read_service(root, account)
    workflows = [read_workflow(root, path) for path in workflow_paths(root)]
    actions: dict[str, Workflow] = {}
    for workflow in workflows:
        inline_actions(root, workflow.root.of("jobs"), actions)
    identity = Identity((name,), "--repository", True) if name else identify(root, account.host)
    jobs = list(find_jobs(workflows, account, identity.name))
    assuming = [job for job in jobs if job.assuming() or calls_trusted(job, account)]
    publishing = _by_entry(account, assuming)
    unplanned = [*unplanned]
    written = read_infra(root, account) if not plan and not unplanned else None
    planned = planned_keys(plan, account) if plan else {*account.entries}
    sides = []
    for key, own in publishing.items():
        if key not in planned:
            continue  # another state's, which has a plan of its own
        entry = account.entries[key]
        runs = service if service and service.entry is entry else None
        shown = planned_entry(plan, account, entry, runs) if plan else None
        infra = shown.infra if shown else written.of_entry(entry) if written else None
        published = _publication(account, entry, own, infra) if infra else None
        sides.append(Side(key, entry, own, infra, shown, runs, published))
    return Repository(
        root=root,
        account=account,
        identity=identity,
        service=service,
        workflows=workflows,
        actions=actions,
        jobs=jobs,
        assuming=assuming,
        publishing=publishing,
        plan=plan,
        unplanned=unplanned,
        sides=sides,
    )


def _by_entry(account: Account, assuming: list[Job]) -> dict[str, list[Job]]:
    """Return the jobs that assume a role by the entry that they are held against."""
    found: dict[str, list[Job]] = {key: [] for key in account.entries}
    known = any(keys_of_roles(account, job) for job in assuming)
    started_here = any(not job.for_others for job in assuming)
    for job in assuming:
        keys = keys_of_roles(account, job)
        pushes = pushes_of(job)
        if not keys and known and not (pushes.pushed or pushes.unseen):
            continue  # a role that is made elsewhere, for something else
        if job.for_others and started_here and not lending_entries(job.source.path, account):
            continue  # nobody is known to call it yet, and nothing else starts it
        found[[*keys, *found][0]].append(job)
    return found


def _publication(
    account: Account, entry: dict[str, Any], jobs: list[Job], infra: Infra
) -> Publication | None:
    pushing = [job for job in jobs if job.assuming()]
    if not pushing:
        return None
    if infra.mutability != "IMMUTABLE_WITH_EXCLUSION":
        infra = infra._replace(excluded=[])  # AWS refuses filters beside any other mutability
    refs = entry["refs"] if ref_is_tested(account, entry) else ["refs/heads/*"]
    heads = [ref for ref in refs if ref.startswith("refs/heads/")]
    to_branch = any(
        common_refs(run.ref, ref) for job in pushing for run in job.runs for ref in heads
    )
    return Publication(entry, pushing, infra, [pushes_of(job) for job in pushing], to_branch)
