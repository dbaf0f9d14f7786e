"""Entries of many repositories in one infra/: added, all of them or none."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from tests.support.bootstrap import TFVARS
from tests.support.desk import TOOL, Desk
from tests.support.entries import SECOND, keys, refused

# What the list says, and the lines that are printed: each wrong line is told in one.
BAD_LISTS: dict[str, tuple[list[str], list[str]]] = {
    "no name": (
        ["octo-org/api", "example", "octo org/web"],
        [
            "list.txt:2: 'example' is not OWNER/NAME, as GitHub shows it",
            "list.txt:3: 'octo org/web' is not OWNER/NAME, as GitHub shows it",
        ],
    ),
    "template syntax": (
        ["octo-org/${x}", "octo-org/%{if}", "octo-org/a\U0001f680", "a/b/c"],
        [
            "list.txt:1: 'octo-org/${x}' is not OWNER/NAME, as GitHub shows it",
            "list.txt:2: 'octo-org/%{if}' is not OWNER/NAME, as GitHub shows it",
            "list.txt:3: 'octo-org/a\\U0001f680' is not OWNER/NAME, as GitHub shows it",
            "list.txt:4: 'a/b/c' is not OWNER/NAME, as GitHub shows it",
        ],
    ),
    "duplicates": (
        ["octo-org/api", "octo-org/web", "octo-org/api"],
        ["list.txt:3: octo-org/api stands in line 1, too"],
    ),
    "another case": (
        ["octo-org/api", "Octo-Org/API"],
        ["list.txt:2: Octo-Org/API stands in line 1 as octo-org/api, too"],
    ),
    "nobody knows it": (
        ["octo-org/api", "octo-org/no-api", "octo-org/none"],
        [
            "list.txt:2: GitHub shows no repository octo-org/no-api: gh repo view octo-org/no-api",
            "list.txt:3: GitHub shows no repository octo-org/none: gh repo view octo-org/none",
            "Nothing was written: 2 of 3 cannot be added.",
        ],
    ),
    "one role": (
        [f"octo-org/{'a' * 58}-one", f"octo-org/{'a' * 58}-two"],
        [
            f"list.txt:2: octo-org/{'a' * 58}-two: its role_name {'a' * 58}--push is that of"
            f" '{'a' * 58}-one', too: make add REPO=octo-org/{'a' * 58}-two"
            ' ARGS="--key KEY"',
            "Nothing was written: 1 of 2 cannot be added.",
        ],
    ),
    "an older name": (
        ["octo-org/moved", "octo-org/web"],
        [
            "list.txt:2: octo-org/web is an older name of octo-org/moved, as is octo-org/moved",
            "Nothing was written: 1 of 2 cannot be added.",
        ],
    ),
    "a name that ECR does not take": (
        ["octo-org/.github"],
        [
            "list.txt:1: octo-org/.github: ecr_repository '.github' is no name that ECR takes;"
            " write it in lower case",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "archived": (
        ["octo-org/old"],
        [
            "list.txt:1: octo-org/old is archived, so nothing is published from it",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "customised": (
        ["octo-org/custom"],
        [
            "list.txt:1: The subject of octo-org/custom was customised: it holds repository_id, not"
            " repository and context. A role that trusts repository and ref could not be assumed."
            " This undoes it, for this repository alone; ask first who needs it: gh api --method"
            " PUT repos/octo-org/custom/actions/oidc/customization/sub -F use_default=true",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "a stranger's": (
        ["facebook/react"],
        [
            "list.txt:1: facebook/react belongs to nobody who has an entry here, and you may not"
            " push to it: gh repo view facebook/react",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
}


MIXED = ("--ref", "refs/heads/main", "--ref", "refs/tags/v*")


def test_an_entry_is_added_as_a_few_lines_at_its_place(without_aws: Desk) -> None:
    without_aws.git("init", "--quiet")
    without_aws.git("add", "--all")
    without_aws.git("commit", "--quiet", "--message=before")
    ended = without_aws.keyless("add", "octo-org/api")
    assert ended.status == 0, ended.out
    assert "api                      trusts repo:octo-org@123456/api@456791 for refs/tags/v*\n" in (
        ended.out
    )
    assert without_aws.git("diff", "--unified=0", "--", TFVARS).splitlines()[4:] == [
        "@@ -5,0 +6,8 @@",
        '+    "api": {',
        '+      "github_repository": "octo-org/api",',
        '+      "subject_prefix": "repo:octo-org@123456/api@456791",',
        '+      "refs": ["refs/tags/v*"],',
        '+      "environment": null,',
        '+      "ecr_repository": "api",',
        '+      "role_name": "api-push"',
        "+    },",
    ]
    # The name is GitHub's, whatever was typed, and what is there already stays.
    again = without_aws.keyless("add", "OCTO-ORG/zebra", "octo-org/API", "octo-org/web")
    assert again.status == 0, again.out
    assert "There already: api\n" in again.out
    assert keys(without_aws) == ["api", "example-service", "web", "zebra"]
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert values["zebra"]["github_repository"] == "octo-org/Zebra"
    assert without_aws.keyless("check").status == 0


def test_an_entry_that_is_there_is_changed_by_what_is_asked_for(without_aws: Desk) -> None:
    assert without_aws.keyless("add", "octo-org/api").status == 0
    ended = without_aws.keyless("add", "octo-org/api", "octo-org/web", "--ref", "refs/heads/main")
    assert ended.status == 0, ended.out
    assert "\nChanged as said: api\n" in ended.out
    assert "There already" not in ended.out
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert values["api"]["refs"] == values["web"]["refs"] == ["refs/heads/main"]
    said = refused(without_aws, "add", "octo-org/api", "--environment", "a*")
    assert said[0].startswith("api: environment 'a*' does not name one environment")


def test_a_file_of_somebody_else_in_services_is_left_alone(without_aws: Desk) -> None:
    (without_aws.path / "services").mkdir()
    (without_aws.path / "services/api.json").write_text('{"mine": true}')
    said = refused(without_aws, "add", "octo-org/api")
    assert said[0] == "services/api.json is not from here, so nothing was written. Move it away."
    assert without_aws.keyless("add", "octo-org/web").status == 0
    assert (without_aws.path / "services/api.json").read_text() == '{"mine": true}'
    assert without_aws.keyless("outputs").status == 0
    shutil.rmtree(without_aws.path / "services")
    (without_aws.path / "services").touch()
    said = refused(without_aws, "add", "octo-org/api")
    assert said[0].startswith("This machine refuses: ")


def test_line_ends_links_and_marks_of_others_stay(without_aws: Desk) -> None:
    path, real = without_aws.path / TFVARS, without_aws.path / "infra/values.json"
    values = json.loads(path.read_text())
    own = values["repositories"]["example-service"]
    values["repositories"]["w\u00e9b"] = {**own, "role_name": "web", "ecr_repository": "web"}
    text = json.dumps(values, indent=2, ensure_ascii=False).replace("\n", "\r\n") + "\r\n"
    real.write_bytes(text.encode())
    path.unlink()
    path.symlink_to("values.json")
    (without_aws.path / "list.txt").write_bytes(b"\xef\xbb\xbfocto-org/api\r\n")  # of PowerShell
    ended = without_aws.keyless("add", "--file", "list.txt")
    assert ended.status == 0, ended.out
    assert path.is_symlink()
    after = real.read_bytes().decode()
    assert after.count("\r\n") == after.count("\n") > 20
    assert '    "w\u00e9b": {\r\n' in after


def test_nobody_reads_to_the_end(without_aws: Desk) -> None:
    command = f"{sys.executable} {TOOL} add octo-org/api 2>&1 | head -n 0"
    assert without_aws.run("sh", "-c", command).out == ""


@pytest.mark.slow
def test_where_infra_cannot_be_planned_the_entry_is_added_and_the_rest_told(
    without_aws: Desk,
) -> None:
    more = without_aws.path / "infra/more.tf"
    more.write_text('variable "more" {\n  type = string\n}\n')
    ended = without_aws.keyless("add", "octo-org/api")
    assert ended.status == 0, ended.out
    assert "services/ is not written: infra: this cannot be planned without AWS: No" in ended.out
    assert keys(without_aws) == ["api", "example-service"]
    assert not (without_aws.path / "services").exists()


def test_a_list_may_have_remarks_and_options_are_for_all_of_it(without_aws: Desk) -> None:
    (without_aws.path / "list.txt").write_text(
        "# services\n\n  octo-org/web  # the front\nocto-org/api\n"
    )
    options = ("--ref", "refs/heads/main", "--environment", "production")
    ended = without_aws.keyless("add", "--file", "list.txt", *options)
    assert ended.status == 0, ended.out
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert [values[key]["refs"] for key in ("api", "web")] == [["refs/heads/main"]] * 2
    assert [values[key]["environment"] for key in ("api", "web")] == ["production"] * 2
    assert values["example-service"]["refs"] == ["refs/tags/v*"]


def test_two_repositories_of_one_name_get_keys_of_their_own(without_aws: Desk) -> None:
    without_aws.hub.create("octo-org-2/api", repository_id=9)
    assert without_aws.keyless("add", "octo-org/api").status == 0
    said, nothing, *_ = refused(without_aws, "add", "octo-org-2/api")
    assert said == (
        "octo-org-2/api would be 'api', as is octo-org/api: "
        'make add REPO=octo-org-2/api ARGS="--key octo-org-2-api"'
    )
    assert nothing == "Nothing was written: 1 of 1 cannot be added."
    assert without_aws.keyless("add", "octo-org-2/api", "--key", "octo-org-2-api").status == 0
    assert keys(without_aws) == ["api", "example-service", "octo-org-2-api"]


@pytest.mark.parametrize("name", BAD_LISTS)
def test_each_bad_line_of_a_list_is_told_in_one_line_and_nothing_is_written(
    without_aws: Desk, name: str
) -> None:
    lines, said = BAD_LISTS[name]
    if name == "one role":
        for number, line in enumerate(lines, 1):
            without_aws.hub.create(line, repository_id=number)
    if name == "an older name":
        without_aws.hub.rename("octo-org/web", "octo-org/moved")
    if name == "customised":
        oidc = {"use_default": False, "include_claim_keys": ["repository_id"]}
        without_aws.hub.create("octo-org/custom", repository_id=5, oidc=oidc)
    without_aws.hub.create("octo-org/old", repository_id=6, archived=True)
    without_aws.hub.create("octo-org/.github", repository_id=7)
    without_aws.hub.create("facebook/react", repository_id=8, permissions={"pull": True})
    (without_aws.path / "list.txt").write_text("\n".join(lines))
    printed = refused(without_aws, "add", "--file", "list.txt")
    assert printed[: len(said)] == said
    assert len([line for line in printed if line.startswith("list.txt:")]) == len(
        [line for line in said if line.startswith("list.txt:")]
    )


def test_a_list_is_longer_than_an_account_or_an_hour_of_github_before_anything_is_asked(
    without_aws: Desk,
) -> None:
    (without_aws.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(10_000)))
    words = " ".join(refused(without_aws, "add", "--file", "list.txt"))
    assert words.startswith("That would be 10,001 entries, each with a role, and of the IAM quota")
    assert "'Roles per account' an account has 1,000, and 10,000 at most." in words
    (without_aws.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(2_001)))
    words = " ".join(refused(without_aws, "add", "--file", "list.txt"))
    assert words.startswith("That is 2,001 at a time, and GitHub is asked twice for each")
    assert without_aws.hub.calls() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add",), "No repository was named."),
        (("add", "--file", "nowhere.txt"), "There is no file nowhere.txt."),
        (
            ("add", "octo-org/api", "--calls", "refs/tags/v1"),
            "refs/tags/v1 is a version of this repository: to push it publishes an image",
        ),
        (
            ("add", "octo-org/example-service", "--calls", "refs/heads/main"),
            "This repository's own deploy.yml publishes it.",
        ),
        (
            ("add", "octo-org/api", "--calls", "refs/heads/main", *MIXED),
            "octo-org/api: refs are tags and branches, and one caller has one kind of version",
        ),
        (
            ("add", "octo-org/api", "octo-org/web", "--key", "one"),
            "--key and --registry are for one",
        ),
        (
            ("add", "octo-org/api", "--ref", "main"),
            "octo-org/api: refs 'main' is not refs/heads/NAME",
        ),
        (
            ("add", "octo-org/api", "--environment", "*"),
            "octo-org/api: environment '*' does not name",
        ),
        (("add", "octo-org/api", "--calls", "v1"), "'v1' is not refs/tags/NAME or refs/heads/NAME"),
        (("add", "octo-org/api", "--key", "../api"), "'../api' is no key, which names a file in"),
        (("remove", "octo-org/nobody"), "There is no entry for octo-org/nobody."),
        (("remove", "octo-org/example-service"), "example-service is this repository's own entry."),
        (("move", "nobody", SECOND), "There is no entry 'nobody'."),
        (("move", "example-service", "infra/x.json"), "'infra/x.json' is no file of entries."),
        (("move", "example-service", TFVARS), f"example-service stands in {TFVARS} already."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    without_aws: Desk, arguments: tuple[str, ...], said: str
) -> None:
    assert refused(without_aws, *arguments)[0].startswith(said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key", "worker"), "with --key example-service, and --key worker would be a second one"),
        (("--registry", "worker"), "with --registry example-service, and --registry worker would"),
    ],
)
def test_a_second_entry_of_a_repository_is_refused_with_the_way_that_works(
    without_aws: Desk, options: tuple[str, ...], said: str
) -> None:
    ended = without_aws.keyless("add", "octo-org/Example-Service", *options)
    assert ended.status == 1
    words = " ".join(ended.out.split())
    assert said in words
    assert "copy the entry in infra/terraform.tfvars.json under another key" in words
    guide = (without_aws.path / TOOL / "docs/many-repositories.md").read_text()
    assert "\n## Two images from one repository\n" in guide
    assert "Nothing to add" not in ended.out
    same = without_aws.keyless("add", "octo-org/example-service", "--key", "example-service")
    assert (same.status, "Nothing to add." in same.out) == (0, True)


def test_two_images_from_one_repository_work_as_the_guide_says(without_aws: Desk) -> None:
    values = json.loads((without_aws.path / TFVARS).read_text())
    own = values["repositories"]["example-service"]
    values["repositories"]["worker"] = {
        **own,
        **{"ecr_repository": "worker", "role_name": "worker-push"},
    }
    (without_aws.path / TFVARS).write_text(json.dumps(values, indent=2))
    deploy = without_aws.path / ".github/workflows/deploy.yml"
    text = deploy.read_text()
    for old, new in (
        ("name: deploy\n", "name: deploy-worker\n"),
        ("group: deploy-", "group: deploy-worker-"),
        ('ECR_REPOSITORY: "example-service"', 'ECR_REPOSITORY: "worker"'),
        ("role/example-service-push", "role/worker-push"),
        ("context: .", "context: app"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    deploy.with_name("deploy-worker.yml").write_text(text)
    shutil.copy(without_aws.path / "Dockerfile", without_aws.path / "app/Dockerfile")
    checked = without_aws.keyless("check", "--repository", "octo-org/example-service")
    assert checked.status == 0, checked.out


def test_without_github_nothing_is_written(without_aws: Desk) -> None:
    without_aws.hub.user(logged_in=False)
    assert "GitHub does not know who you are" in refused(without_aws, "add", "octo-org/api")[0]
