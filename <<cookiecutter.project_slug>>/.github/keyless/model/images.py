"""Which images a job pushes or tags, and which calls to ECR its steps make.

Of a job's scripts only this tool is known: `publish push` pushes what other jobs have built, and
`publish after` puts the tags IMAGE_TAG and SECOND_TAG of the environment on an image that is there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from keyless.model.calls import calls_of
from keyless.model.documents import Mapping
from keyless.model.expressions import evaluate_text
from keyless.model.infra import LOGIN_ACTION
from keyless.model.jobs import Job
from keyless.model.refs import Run, is_untrusted
from keyless.model.workflows import BUILD, LOGIN, script_of

# AWS docs, ECR, "Pushing a Docker image": what a push needs beside ecr:GetAuthorizationToken.
PUSH = (
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload"),
    *("ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
    "ecr:UploadLayerPart",
)
PUBLISH = r"\.github/keyless\"?\s+publish\s+(before|push|after)\b"
PUBLISH_ACTIONS = {
    "before": {"ecr:BatchGetImage"},
    "push": {*PUSH},
    "after": {"ecr:BatchGetImage", "ecr:PutImage"},
}
# The programs and actions of others that push images, under tags that are not read here.
PUSHING_COMMANDS = re.compile(
    r"\b(docker|podman|nerdctl|buildx|skopeo|oras|buildah|helm|regctl|img|earthly)\b[^\n]*"
    r"\b(push(?!=false)|copy|imagetools\s+create|import|manifest\s+put)\b"
    r"|\b(docker|podman|nerdctl|buildx|buildctl)\b[^\n]*\btype=(registry|image\b[^\n]*push=true)"
    r"|\bcrane\s+(push|copy|tag|append|mutate|rebase)\b|\baws\b[^\n]*\becr\s+put-image\b"
    r"|\bpack\b[^\n]*\s--publish\b|\bexecutor\b[^\n]*\s--destination\b"
    r"|\bko\s+(build|publish|apply|resolve)\b(?![^\n]*(--local|--push=false))"
    r"|\bjib(:build|\b(?!:dockerBuild|DockerBuild|:buildTar|BuildTar))|:push\b"
)
PUSHING_OUTPUTS = (  # of a build: what leaves the runner, or what only the run knows
    r"push=(?!false)|type=registry|(?m:^(?!type=(oci|docker|local|tar|cacheonly)\b).*\$\{\{)"
)
PUSHING_ACTIONS = re.compile(r"(bake|build-?push|kaniko|buildah|push-to|build-and-push)[^@]*@")
HOST = r"(?:docker://)?((?:[\w-]+\.)+[a-z]{2,}(?::[0-9]+)?)/"  # of a registry, in an image's name


class ImageName(NamedTuple):
    """An image's name in parts; an expression counts as one word."""

    host: str
    repository: str
    tag: str


class Named(NamedTuple):
    """A name that a step of a job gives an image."""

    job: Job
    step: Mapping
    name: str

    @property
    def tag(self) -> str:
        """The tag of the name."""
        return split_image(self.name).tag


class Pushes(NamedTuple):
    """What a job does with images."""

    pushed: list[Named]  # by builds, and by `publish push`
    tagged: list[Named]  # by `publish after`, on an image that is there
    hidden: list[Mapping]  # steps of which nobody can tell what they push
    untagged: list[Mapping]  # builds that push, and name nothing
    needed: set[str]  # the actions that the job's calls need

    @property
    def steps(self) -> list[Mapping]:
        """The steps that push, or may do so, each once."""
        found = [*(named.step for named in self.pushed), *self.untagged, *self.hidden]
        return list({id(step): step for step in found}.values())

    @property
    def unseen(self) -> bool:
        """Whether the job may push more than is named here."""
        return bool(self.hidden or self.untagged)


def pushes_of(job: Job) -> Pushes:
    """Return what a job does with images, as far as its steps say."""
    pushed, hidden, untagged = _pushed_by_builds(job)
    pushed += _pushed_layouts(job)
    tagged, needed = _tagged_afterwards(job)
    needed |= {*PUSH, LOGIN_ACTION} if pushed else set()
    needed |= {LOGIN_ACTION} if job.using(LOGIN) else set()
    needed |= {action for step in job.steps for action in calls_of(step)}
    return Pushes(pushed, tagged, hidden, untagged, needed)


def _tagged_afterwards(job: Job) -> tuple[list[Named], set[str]]:
    """Return the names that this tool gives an image, and the actions that it needs for that."""
    tagged: list[Named] = []
    needed: set[str] = set()
    for step in job.steps:
        for word in publishing_words(step):
            needed |= PUBLISH_ACTIONS[word]
            if word == "after":
                names = _names_by_variables(job, step)
                tagged += names
                if not _holds_commit(names[1]):
                    needed.add("ecr:DescribeImages")  # it moves to the newest version of all
    return tagged, needed


def _pushed_layouts(job: Job) -> list[Named]:
    """Return the names under which `publish push` pushes what other jobs have built.

    A second tag that does not hold the commit is left to `publish after`.
    """
    found = []
    for step in job.steps:
        if "push" in publishing_words(step):
            version, second = _names_by_variables(job, step)
            found += [second, version] if _holds_commit(second) else [version]
    return found


def publishing_words(step: Mapping) -> list[str]:
    """Return what a step lets this tool do of `publish`: before, push and after."""
    return re.findall(PUBLISH, script_of(step))


def _names_by_variables(job: Job, step: Mapping) -> tuple[Named, Named]:
    """Return the two names that the environment gives an image: by IMAGE_TAG, by SECOND_TAG."""
    image = job.resolve(step, "${{ env.REGISTRY }}/${{ env.ECR_REPOSITORY }}")
    version, second = (job.variable(step, key) for key in ("IMAGE_TAG", "SECOND_TAG"))
    return Named(job, step, f"{image}:{version}"), Named(job, step, f"{image}:{second}")


def _holds_commit(named: Named) -> bool:
    return bool(re.search(r"\bgithub\.sha\b", named.tag))


def _pushed_by_builds(job: Job) -> tuple[list[Named], list[Mapping], list[Mapping]]:
    """Return what builds push, the steps that may push something else, and those without tags."""
    hidden = [step for step in job.steps if _pushes_unseen(job, step)]
    pushed: list[Named] = []
    untagged: list[Mapping] = []
    runs = [run for run in job.runs if not is_untrusted(run.event)] or [Run("push", "refs/*")]
    for step in job.using(BUILD):
        asked = job.input(step, "push").lower()
        values = {value for run in runs for value, _ in evaluate_text(asked, run, job.known)}
        if re.search(PUSHING_OUTPUTS, job.input(step, "outputs")):
            hidden.append(step)
        elif values <= {"true", True}:
            tags = _tags_of(job, step)
            if tags and all(_is_elsewhere(tag) for tag in tags):
                continue  # the registry of somebody else, beside ours
            pushed += [Named(job, step, tag) for tag in tags]
            untagged += [step] * (not tags)
        elif not values <= {"false", "", False}:
            hidden.append(step)
    return pushed, hidden, untagged


def _is_elsewhere(name: str) -> bool:
    """Tell whether an image's name has the host of another registry than AWS's."""
    host = re.match(HOST, name)
    return bool(host and not re.search(r"\.dkr[.-]ecr", host[1]))


def _pushes_unseen(job: Job, step: Mapping) -> bool:
    script = "\n".join(
        line for line in script_of(step).splitlines() if not _pushes_elsewhere(job, step, line)
    )
    by_script = PUSHING_COMMANDS.search(script)
    by_action = PUSHING_ACTIONS.search(step.action()) and step not in job.using(BUILD)
    hosts = [job.input(step, key.lower()) for key in step.of("with") if key == "registry"]
    elsewhere = hosts and all(_is_elsewhere(f"{host}/") for host in hosts)
    return bool(by_script or (by_action and not elsewhere))


def _pushes_elsewhere(job: Job, step: Mapping, line: str) -> bool:
    """Tell whether a command names images in registries of others, and no other ones."""
    text = re.sub(
        r"\$\{?(\w+)\}?", lambda name: job.variable(step, name[1]), job.resolve(step, line)
    )
    words = [word.strip("\"'") for word in text.split()]
    images = [word.rpartition("=")[2] for word in words if re.search(r"[\w}]/|[\w}]:|^\$", word)]
    images = [word for word in images if not word.startswith((".", "/"))]
    return bool(images) and all(map(_is_elsewhere, images))


def _tags_of(job: Job, step: Mapping) -> list[str]:
    """Return the names that a build pushes, those of its cache included."""
    name = r"(?:\$\{\{.*?\}\}|[^,\n])+"
    tags = re.findall(name, job.input(step, "tags"))
    for cache in job.input(step, "cache-to").splitlines():
        if "type=registry" in cache or "type=" not in cache:
            tags += re.findall(rf"ref=({name})", cache) or re.findall(name, cache)[:1]
    return [tag.strip() for tag in tags if tag.strip()]


def split_image(name: str) -> ImageName:
    """Return host, repository and tag of an image's name."""
    inside = re.findall(r"\$\{\{.*?\}\}", name)
    host, _, rest = re.sub(r"\$\{\{.*?\}\}", "\0", name).partition("/")
    repository, _, tag = rest.partition(":")
    parts = []
    for part in (host, repository, tag):
        for _ in range(part.count("\0")):
            part = part.replace("\0", inside.pop(0), 1)
        parts.append(part)
    return ImageName(*parts)


def uses_role(step: Mapping) -> bool:
    """Tell whether a step asks AWS with the credentials of the job: a login, or this tool."""
    return step.action().startswith(f"{LOGIN}@") or bool(re.search(PUBLISH, script_of(step)))


def judges_push(step: Mapping) -> bool:
    """Tell whether a step fails the job when nothing was pushed; the shell has no pipefail."""
    condition = step.text("if").strip("${} ")
    last = script_of(step).strip().splitlines()[-1:]
    alone = r"\S*python\S*(\s+-\w+)*\s+\S*\.github/keyless\"?\s+publish\s+after\s*(&&\s[^;|]*)?"
    alone += r"(\|\s*tee\s[^;|&]*)?" * (step.text("shell") == "bash")  # which sets pipefail
    return (
        any(re.fullmatch(alone, line.strip()) for line in last)
        and "set +e" not in script_of(step)
        and step.text("continue-on-error") in ("", "false")
        and re.fullmatch(r"|(success|always|!\s*cancelled)\(\)", condition) is not None
    )
