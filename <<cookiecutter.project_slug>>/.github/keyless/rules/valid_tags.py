"""Each tag is a valid tag of an image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.images import Named
from keyless.model.refs import common_refs, is_untrusted
from keyless.model.repository import Publication, Repository
from keyless.model.tags import IMAGE_TAG
from keyless.model.texts import EXPRESSION

ID = "valid-tags"
WHY = (
    "The name of a Git tag or branch can contain a slash, but the tag of an image cannot. The"
    " release fails before or at the push."
)
SOURCES = (
    (
        "OCI distribution: pulling manifests",
        "https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests",
    ),
)
BEFORE = """\
IMAGE_TAG: ${{ github.ref_name }} # and the role trusts refs/tags/web/v*"""
AFTER = """\
IMAGE_TAG: ${{ github.ref_name }} # and the role trusts refs/tags/web-v*"""
NAMES = ("github.ref_name", "github.event.release.tag_name")


def find(repository: Repository) -> Iterator[Finding]:
    """Look at each tag that is pushed, for the refs that the role trusts."""
    for publication in repository.publications:
        for named in (*publication.pushed, *publication.tagged):
            yield from _refused(named, publication)


def _refused(named: Named, publication: Publication) -> Iterator[Finding]:
    tag = named.tag
    for name in _ref_names(named, publication) if _reads_ref(tag) else [""]:
        example = _example(tag, name)
        plain = EXPRESSION.sub("", tag)
        if tag and not {"/", "$"} & {*plain} and not re.fullmatch(IMAGE_TAG, example):
            message = f"the tag {tag}, for example {example!r}, is not a valid tag of an image,"
            message += " so the release fails before the push"
            mend = "use letters, digits, _, . and -, at most 128, and begin with a letter or digit"
            if "/" in name:
                mend = "name the releases without a slash, and change refs, for example to"
                mend += f" refs/tags/{name.replace('/', '-').replace('1.2.3', '*')}"
            yield named.job.value_finding(named.step, "tags", tag, ID, message, mend)
            return


def _example(tag: str, name: str) -> str:
    """Return a tag as it is for a ref of some name."""

    def value(match: re.Match[str]) -> str:
        return name if _is_ref(match[1]) else "0"

    return EXPRESSION.sub(value, tag)


def _reads_ref(tag: str) -> bool:
    return any(_is_ref(match[1]) for match in EXPRESSION.finditer(tag))


def _is_ref(expression: str) -> bool:
    return any(part.strip().lower() in NAMES for part in expression.split("||"))


def _ref_names(named: Named, publication: Publication) -> list[str]:
    """Return names of refs that the job publishes, one for each ref that the role trusts."""
    refs = publication.entry["refs"]
    runs = [run.ref for run in named.job.runs if not is_untrusted(run.event)]
    both = {common_refs(run, ref) for run in runs for ref in refs} - {None}
    return sorted(
        str(ref).split("/", 2)[-1].replace("*", "1.2.3") for ref in both if str(ref).count("/") > 1
    )
