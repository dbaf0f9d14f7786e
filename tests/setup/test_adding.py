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
    "not a name": (
        ["octo-org/api", "example", "octo org/web"],
        [
            "list.txt:2: 'example' is not the name of a repository: OWNER/NAME",
            "list.txt:3: 'octo org/web' is not the name of a repository: OWNER/NAME",
        ],
    ),
    "template syntax": (
        ["octo-org/${x}", "octo-org/%{if}", "octo-org/a\U0001f680", "a/b/c"],
        [
            "list.txt:1: 'octo-org/${x}' is not the name of a repository: OWNER/NAME",
            "list.txt:2: 'octo-org/%{if}' is not the name of a repository: OWNER/NAME",
            "list.txt:3: 'octo-org/a\\U0001f680' is not the name of a repository: OWNER/NAME",
            "list.txt:4: 'a/b/c' is not the name of a repository: OWNER/NAME",
        ],
    ),
    "duplicates": (
        ["octo-org/api", "octo-org/web", "octo-org/api"],
        ["list.txt:3: octo-org/api is already listed in line 1"],
    ),
    "another case": (
        ["octo-org/api", "Octo-Org/API"],
        ["list.txt:2: Octo-Org/API is already listed in line 1 as octo-org/api"],
    ),
    "unknown repositories": (
        ["octo-org/api", "octo-org/no-api", "octo-org/none"],
        [
            "list.txt:2: GitHub has no repository octo-org/no-api, or you do not have access to it:"
            " gh repo view octo-org/no-api",
            "list.txt:3: GitHub has no repository octo-org/none, or you do not have access to it:"
            " gh repo view octo-org/none",
            "Nothing was changed: 2 of 3 cannot be added.",
        ],
    ),
    "one role": (
        [f"octo-org/{'a' * 58}-one", f"octo-org/{'a' * 58}-two"],
        [
            f"list.txt:2: octo-org/{'a' * 58}-two: its role_name {'a' * 58}--push is already"
            f" that of '{'a' * 58}-one': make add REPO=octo-org/{'a' * 58}-two"
            ' ARGS="--key KEY"',
            "Nothing was changed: 1 of 2 cannot be added.",
        ],
    ),
    "an older name": (
        ["octo-org/moved", "octo-org/web"],
        [
            "list.txt:2: octo-org/web and octo-org/moved are both names of"
            " octo-org/moved; list it once",
            "Nothing was changed: 1 of 2 cannot be added.",
        ],
    ),
    "a name that ECR does not take": (
        ["octo-org/.github"],
        [
            "list.txt:1: octo-org/.github: ecr_repository '.github' is not a valid ECR repository"
            " name; write it in lower case",
            "Nothing was changed: 1 of 1 cannot be added.",
        ],
    ),
    "archived": (
        ["octo-org/old"],
        [
            "list.txt:1: octo-org/old is archived, so it cannot publish",
            "Nothing was changed: 1 of 1 cannot be added.",
        ],
    ),
    "customised": (
        ["octo-org/custom"],
        [
            "list.txt:1: The subject of octo-org/custom was customised: it contains"
            " repository_id, instead of repository and context. No job could assume a role that"
            " trusts repository and ref. Ask who needs this setting. To undo it for this repository"
            " only: gh api --method PUT repos/octo-org/custom/actions/oidc/customization/sub"
            " -F use_default=true",
            "Nothing was changed: 1 of 1 cannot be added.",
        ],
    ),
    "a stranger's": (
        ["facebook/react"],
        [
            "list.txt:1: facebook/react has another owner than all entries here, and you do not"
            " have permission to push to it: gh repo view facebook/react",
            "Nothing was changed: 1 of 1 cannot be added.",
        ],
    ),
}


MIXED = ("--ref", "refs/heads/main", "--ref", "refs/tags/v*")


def test_an_entry_is_added_as_a_few_lines_in_the_order_of_the_keys(without_aws: Desk) -> None:
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
    assert "Already there: api\n" in again.out
    assert keys(without_aws) == ["api", "example-service", "web", "zebra"]
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert values["zebra"]["github_repository"] == "octo-org/Zebra"
    assert without_aws.keyless("check").status == 0


def test_an_existing_entry_is_changed_as_the_options_say(without_aws: Desk) -> None:
    assert without_aws.keyless("add", "octo-org/api").status == 0
    ended = without_aws.keyless("add", "octo-org/api", "octo-org/web", "--ref", "refs/heads/main")
    assert ended.status == 0, ended.out
    assert "\nChanged: api\n" in ended.out
    assert "Already there" not in ended.out
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert values["api"]["refs"] == values["web"]["refs"] == ["refs/heads/main"]
    said = refused(without_aws, "add", "octo-org/api", "--environment", "a*")
    assert said[0].startswith("api: environment 'a*' is not the name of an environment")


def test_a_file_in_services_that_the_tool_did_not_write_is_left_alone(without_aws: Desk) -> None:
    (without_aws.path / "services").mkdir()
    (without_aws.path / "services/api.json").write_text('{"mine": true}')
    said = refused(without_aws, "add", "octo-org/api")
    assert (
        said[0]
        == "services/api.json was not written by this tool, so nothing was changed. Move it away."
    )
    assert without_aws.keyless("add", "octo-org/web").status == 0
    assert (without_aws.path / "services/api.json").read_text() == '{"mine": true}'
    assert without_aws.keyless("outputs").status == 0
    shutil.rmtree(without_aws.path / "services")
    (without_aws.path / "services").touch()
    said = refused(without_aws, "add", "octo-org/api")
    assert said[0].startswith("This machine reported an error: ")


def test_line_ends_symbolic_links_and_byte_order_marks_stay(without_aws: Desk) -> None:
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


def test_a_reader_that_stops_early_causes_no_error(without_aws: Desk) -> None:
    command = f"{sys.executable} {TOOL} add octo-org/api 2>&1 | head -n 0"
    assert without_aws.run("sh", "-c", command).out == ""


@pytest.mark.slow
def test_if_infra_cannot_be_planned_the_entry_is_added_and_the_rest_reported(
    without_aws: Desk,
) -> None:
    more = without_aws.path / "infra/more.tf"
    more.write_text('variable "more" {\n  type = string\n}\n')
    ended = without_aws.keyless("add", "octo-org/api")
    assert ended.status == 0, ended.out
    assert "services/ is not written: infra: this cannot be planned without AWS: No" in ended.out
    assert keys(without_aws) == ["api", "example-service"]
    assert not (without_aws.path / "services").exists()


def test_a_list_can_have_comments_and_options_apply_to_all_of_it(without_aws: Desk) -> None:
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
        "octo-org-2/api would get the key 'api', which octo-org/api has: "
        'make add REPO=octo-org-2/api ARGS="--key octo-org-2-api"'
    )
    assert nothing == "Nothing was changed: 1 of 1 cannot be added."
    assert without_aws.keyless("add", "octo-org-2/api", "--key", "octo-org-2-api").status == 0
    assert keys(without_aws) == ["api", "example-service", "octo-org-2-api"]


@pytest.mark.parametrize("name", BAD_LISTS)
def test_each_bad_line_of_a_list_is_reported_in_one_line_and_nothing_is_written(
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


def test_a_list_that_is_too_long_is_refused_before_github_is_asked(
    without_aws: Desk,
) -> None:
    (without_aws.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(10_000)))
    words = " ".join(refused(without_aws, "add", "--file", "list.txt"))
    assert words.startswith("That would be 10,001 entries, each with a role. The IAM quota")
    assert "'Roles per account' is 1,000, and AWS raises it to 10,000 at most." in words
    (without_aws.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(2_001)))
    words = " ".join(refused(without_aws, "add", "--file", "list.txt"))
    assert words.startswith("The list has 2,001 repositories. Each needs two requests to GitHub")
    assert without_aws.hub.calls() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add",), "No repository was given."),
        (("add", "--file", "nowhere.txt"), "The file nowhere.txt does not exist."),
        (
            ("add", "octo-org/api", "--calls", "refs/tags/v1"),
            "refs/tags/v1 is a version of this repository. Pushing it publishes an image",
        ),
        (
            ("add", "octo-org/example-service", "--calls", "refs/heads/main"),
            "This repository publishes with its own deploy.yml",
        ),
        (
            ("add", "octo-org/api", "--calls", "refs/heads/main", *MIXED),
            "octo-org/api: refs are both tags and branches. A caller can publish only one kind",
        ),
        (
            ("add", "octo-org/api", "octo-org/web", "--key", "one"),
            "--key and --registry work only if you add one repository at a time",
        ),
        (
            ("add", "octo-org/api", "--ref", "main"),
            "octo-org/api: refs 'main' is not refs/heads/NAME",
        ),
        (
            ("add", "octo-org/api", "--environment", "*"),
            "octo-org/api: environment '*' is not the name of an environment",
        ),
        (("add", "octo-org/api", "--calls", "v1"), "'v1' is not a ref that can be called."),
        (("add", "octo-org/api", "--key", "../api"), "'../api' is not a valid key. A key names a"),
        (("remove", "octo-org/nobody"), "There is no entry for octo-org/nobody."),
        (("remove", "octo-org/example-service"), "example-service is this repository's own entry."),
        (("move", "nobody", SECOND), "There is no entry 'nobody'."),
        (("move", "example-service", "infra/x.json"), "'infra/x.json' is not a file of entries."),
        (("move", "example-service", TFVARS), f"example-service is already in {TFVARS}."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_reported_before_anything_is_written(
    without_aws: Desk, arguments: tuple[str, ...], said: str
) -> None:
    assert refused(without_aws, *arguments)[0].startswith(said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key", "worker"), "with --key example-service, and --key worker would need a second"),
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
    assert "in infra/terraform.tfvars.json, copy the entry under another key" in words
    guide = (without_aws.path / TOOL / "docs/many-repositories.md").read_text()
    assert "\n## Two images from one repository\n" in guide
    assert "Nothing to do" not in ended.out
    same = without_aws.keyless("add", "octo-org/example-service", "--key", "example-service")
    assert (same.status, "Nothing to do: everything is in place." in same.out) == (0, True)


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
    assert "You have no valid login to GitHub" in refused(without_aws, "add", "octo-org/api")[0]
