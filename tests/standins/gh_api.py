"""What GitHub's REST API answers, from the folder of hub.py; gh.py hands requests on to this.

Unknown paths and fields are errors, as in the original [GitHub REST API]. GitHub documents few
texts of its refusals: those here are for a reader, not for a program to tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.standins.gh_issues import issues
from tests.standins.gh_requests import NOT_FOUND, HTTPError, content, fields, invalid, one_of
from tests.standins.hub import NONE_SELECTED, PUBLIC, Hub, find, oidc

# Which parameters a rule must have; GitHub knows more rules, which nothing here may need.
NONE = frozenset[str]()
RULES: dict[str, Collection[str]] = {
    **dict.fromkeys(("creation", "update", "deletion", "non_fast_forward"), NONE),
    **dict.fromkeys(("required_linear_history", "required_signatures"), NONE),
    "pull_request": {
        "dismiss_stale_reviews_on_push",
        "require_code_owner_review",
        "require_last_push_approval",
        "required_approving_review_count",
        "required_review_thread_resolution",
    },
    "required_status_checks": {"required_status_checks", "strict_required_status_checks_policy"},
}
ACTORS = {"Integration", "OrganizationAdmin", "RepositoryRole", "Team", "DeployKey", "User"}
SAML = (
    "Resource protected by organization SAML enforcement. You must grant your OAuth token access to"
    " this organization."
)
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."


def visible(state: dict[str, Any], full_name: str) -> tuple[dict[str, Any] | None, bool]:
    """Return a repository that the user may read, and whether the name is an old one."""
    repository, moved = find(state, full_name)
    if repository and repository["private"] and not repository["permissions"]["pull"]:
        return None, moved
    return repository, moved


def respond(hub: Hub, method: str, path: str, text: str) -> tuple[int, Any]:
    """Return status and body of the answer to a request."""
    path, _, query = path.partition("?")
    parts = [unquote(part) for part in path.split("/")]
    state = hub.state()
    login = state["user"]["login"]
    given = {key: values[0] for key, values in parse_qs(query).items()}
    of_issues = parts[3:4] == ["issues"]
    if given not in ({}, {"per_page": "100"}) and not (
        of_issues or (given.keys() == {"ref"} and "contents" in parts)
    ):
        raise NOT_FOUND
    if (method, parts) == ("GET", ["user"]):
        return 200, {"login": login, "id": 583231, "type": "User", "html_url": f"{PUBLIC}{login}"}
    if method == "GET" and parts[0] in ("users", "orgs", "user", "rate_limit"):
        return 200, of_owner(state["user"], parts)
    if parts[0] != "repos" or len(parts) < 3:
        raise NOT_FOUND
    if state["user"]["saml"] and parts[1] != login:
        raise HTTPError(403, SAML)
    repository, moved = visible(state, "/".join(parts[1:3]))
    if repository is None:
        raise NOT_FOUND
    if method != "GET":
        if moved:  # gh cannot send a body a second time [REST API, best practices: redirects]
            raise HTTPError(307, "Temporary Redirect")
        if repository["archived"]:
            raise HTTPError(403, "Repository was archived so is read-only.")
    administered = parts[3:5] == ["actions", "permissions"]
    if of_issues:
        result = issues(repository, [method, *parts[4:]], given, content(text), login)
        hub.save(state)
        return result
    if (method != "GET" or administered) and not repository["permissions"]["admin"]:
        raise HTTPError(403, "Must have admin rights to Repository.")
    body = content(text) if method != "GET" else {}
    plan = state["user"]["plan"] if repository["private"] else "enterprise"
    if method == "GET" and parts[3:4] == ["contents"]:  # here always as its raw media type
        text = hub.read(repository, "/".join(parts[4:]), given.get("ref", ""))
        if not text:
            raise NOT_FOUND
        return 200, text
    request = [method, *parts[3:]]
    result = of_git(hub, repository, request, body) or resource(
        repository, request, body, plan, login
    )
    if method != "GET":
        hub.save(state)
    return result


def of_owner(user: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """Return what GitHub shows of a person or an organisation, and of who asks in it."""
    if parts == ["rate_limit"]:
        return {"resources": {"core": {"remaining": 5000}}}
    owner = parts[-1]
    person = owner in (user["login"], *user["people"])
    if owner in user["no_such_owners"] or (person and parts[0] != "users"):
        raise NOT_FOUND
    if parts[:3] == ["user", "memberships", "orgs"]:
        if not user["member"]:
            raise NOT_FOUND
        return {"state": "active", "role": "admin" if user["may_create"] else "member"}
    if len(parts) != 2:
        raise NOT_FOUND
    kinds = ("private", "public")
    may = {f"members_can_create_{kind}_repositories": user["may_create"] for kind in kinds}
    found = {"login": owner, "type": "User" if person else "Organization"}
    return {**found, **(may if parts[0] == "orgs" else {})}


def of_git(
    hub: Hub, repository: dict[str, Any], request: list[str], body: dict[str, Any]
) -> tuple[int, Any] | None:
    """Answer a request about what was pushed, None where it is about something else."""
    match request:
        case ["GET", "actions", "workflows", name]:
            if not hub.has(repository, f".github/workflows/{name}"):
                raise NOT_FOUND
            path = f".github/workflows/{name}"
            return 200, {"id": 161335, "path": path, "state": repository["workflow_state"]}
        case ["GET", "commits", *ref]:
            found = hub.commit(repository, "/".join(ref))
            if not found:
                raise HTTPError(422, f"No commit found for SHA: {'/'.join(ref)}")
            return 200, {"sha": found[0], "commit": {"message": found[1]}}
        case ["GET", "releases", "tags", *tag]:
            if "/".join(tag) not in repository["releases"]:
                raise NOT_FOUND
            return 200, {"tag_name": "/".join(tag), "draft": False}
        case ["GET", "branches", *branch]:
            if not hub.commit(repository, f"refs/heads/{'/'.join(branch)}"):
                raise HTTPError(404, "Branch not found")
            return 200, {"name": "/".join(branch), "protected": repository["protected"]}
        case ["GET", "rules", "branches", *_]:
            kinds = (each for each in repository["rulesets"] if each["target"] == "branch")
            return 200, [rule for each in kinds for rule in each["rules"]]
        case ["POST", "branches", *branch, "rename"]:
            fields(body, {"new_name": str}, {})
            hub.rename_branch(repository, "/".join(branch), body["new_name"])
            return 201, {"name": body["new_name"]}
    return None


def resource(
    repository: dict[str, Any], request: list[str], body: dict[str, Any], plan: str, login: str
) -> tuple[int, Any]:
    """Answer a request about a repository: method and path below the repository.

    `plan` is the owner's, or for a public repository the one with which everything is possible.
    """
    allowed = repository["allowed_actions"]
    match request:
        case ["GET"]:
            return 200, described(repository, login)
        case ["GET", "actions", "oidc", "customization", "sub"]:
            if oidc(repository) is None:
                raise NOT_FOUND
            return 200, oidc(repository)
        case ["GET", "actions", "permissions"]:
            if not repository["actions_enabled"]:
                return 200, {"enabled": False}
            return 200, {"enabled": True, "allowed_actions": allowed, "sha_pinning_required": False}
        case ["PUT", "actions", "permissions"]:
            fields(body, {"enabled": bool}, {"allowed_actions": str})
            repository["actions_enabled"] = body["enabled"]
            repository["allowed_actions"] = body.get("allowed_actions", allowed)
            return 204, None
        case ["GET", "actions", "permissions", "selected-actions"]:
            if allowed != "selected":
                raise HTTPError(409, "Conflict: allowed_actions is not selected")
            return 200, repository["selected_actions"]
        case ["PUT", "actions", "permissions", "selected-actions"]:
            groups = {"github_owned_allowed": bool, "verified_allowed": bool}
            fields(body, {}, {**groups, "patterns_allowed": list})
            repository["selected_actions"] = {**NONE_SELECTED, **body}
            return 204, None
        case ["GET", "immutable-releases"]:
            if not repository["immutable"] or not repository["permissions"]["admin"]:
                raise NOT_FOUND
            return 200, {"enabled": True, "enforced_by_owner": False}
        case ["PUT", "immutable-releases"]:
            if plan == "free":
                raise HTTPError(404, "Not Found")
            repository["immutable"] = True
            return 204, None
        case [_, "rulesets", *_] if plan == "free":
            raise HTTPError(403, UPGRADE)
        case ["GET", "rulesets"]:
            return 200, [ruleset(repository, each, whole=False) for each in repository["rulesets"]]
        case ["GET", "rulesets", number]:
            for each in repository["rulesets"]:
                if str(each["id"]) == number:
                    return 200, ruleset(repository, each, whole=True)
        case ["POST", "rulesets"]:
            check_ruleset(repository, body, plan, login)
            number = max([6, *(each["id"] for each in repository["rulesets"])]) + 1
            repository["rulesets"].append({"id": number, **body})
            return 201, ruleset(repository, repository["rulesets"][-1], whole=True)
        case ["PUT", "environments", name]:
            check_environment(name, body, plan)
            name, before = environment(repository, name) or (name, {})
            patterns = before.get("policies", []) if custom(before) and custom(body) else []
            # What is not given is reset: PUT replaces an environment.
            repository["environments"][name] = body | {"policies": patterns}
            return 200, shown(repository, name)
        case [_, "environments", name, *rest]:
            found = environment(repository, name)
            if found is None:
                raise NOT_FOUND
            if (request[0], rest) == ("GET", []):
                return 200, shown(repository, found[0])
            if rest == ["deployment-branch-policies"] and custom(found[1]):
                return policies(found[1], request[0], body)
    raise NOT_FOUND


def described(repository: dict[str, Any], login: str) -> dict[str, Any]:
    """Return a repository, as GET repos/OWNER/NAME answers."""
    owner, name = repository["full_name"].split("/")
    url = f"{PUBLIC}{owner}/{name}"
    copied = ("id", "full_name", "private", "archived", "disabled", "permissions")
    return {
        **{key: repository[key] for key in (*copied, "default_branch", "created_at")},
        "name": name,
        "owner": {
            "login": owner,
            "id": repository["owner_id"],
            "type": "User" if owner == login else "Organization",
        },
        "visibility": "private" if repository["private"] else "public",
        "html_url": url,
        "clone_url": f"{url}.git",
        "ssh_url": f"git@github.com:{owner}/{name}.git",
    }


def ruleset(repository: dict[str, Any], known: dict[str, Any], whole: bool) -> dict[str, Any]:
    """Return a ruleset; the list has neither conditions nor rules.

    Who may bypass it is for those who may change it [REST API, "Get a repository ruleset"].
    """
    source = {"source_type": "Repository", "source": repository["full_name"]}
    times = {"created_at": repository["created_at"], "updated_at": repository["created_at"]}
    empty: dict[str, Any] = {"conditions": {}, "rules": [], "bypass_actors": []}
    everything = {"target": "branch", "enforcement": "active", **empty, **known, **source, **times}
    hidden = set() if whole else {"conditions", "rules", "bypass_actors"}
    if not repository["permissions"]["admin"]:
        hidden.add("bypass_actors")
    if whole:
        roles = [each.get("actor_id") for each in everything["bypass_actors"]]
        may = 5 in roles and repository["permissions"]["admin"]
        everything["current_user_can_bypass"] = "always" if may else "never"
    return {key: value for key, value in everything.items() if key not in hidden}


def check_ruleset(repository: dict[str, Any], body: dict[str, Any], plan: str, login: str) -> None:
    """Refuse a ruleset as GitHub does; target and conditions must be there."""
    required = {"name": str, "target": str, "enforcement": str, "conditions": dict, "rules": list}
    fields(body, required, {"bypass_actors": list})
    one_of(body, "target", "branch", "tag")
    one_of(body, "enforcement", "active", "disabled", *["evaluate"] * (plan == "enterprise"))
    of_branches = body["target"] == "branch"
    fields(body["conditions"], {"ref_name": dict}, {})
    names = body["conditions"]["ref_name"]
    fields(names, {"include": list, "exclude": list}, {})
    refs = r"refs/heads/.+|~DEFAULT_BRANCH|~ALL" if of_branches else r"refs/tags/.+|~ALL"
    for pattern in [*names["include"], *names["exclude"]]:
        if not re.fullmatch(refs, str(pattern)):
            raise HTTPError(422, f"Validation Failed: Invalid target patterns: '{pattern}'")
    for place, rule in enumerate(body["rules"]):
        fields(rule, {"type": str}, {"parameters": dict})
        needed = RULES.get(rule["type"])
        known = needed is not None and (of_branches or not needed)
        if not known or {*(needed or ())} - rule.get("parameters", {}).keys():
            text = "data matches no possible input. See `documentation_url`."
            raise invalid(f"Invalid property /rules/{place}: {text}")
    for actor in body.get("bypass_actors", []):
        check_actor(repository, actor, of_branches, login)
    if body["name"] in [each["name"] for each in repository["rulesets"]]:
        raise HTTPError(422, "Validation Failed: Name must be unique")


def check_actor(repository: dict[str, Any], actor: Any, of_branches: bool, login: str) -> None:
    """Refuse somebody who cannot bypass a ruleset [REST API, "Create a repository ruleset"]."""
    fields(actor, {"actor_type": str}, {"actor_id": None, "bypass_mode": str})
    one_of(actor, "actor_type", *ACTORS)
    modes = ("always", "exempt", *["pull_request"] * of_branches)
    one_of({"bypass_mode": "always", **actor}, "bypass_mode", *modes)
    numbered = actor["actor_type"] not in ("OrganizationAdmin", "DeployKey")
    if numbered and type(actor.get("actor_id")) is not int:
        raise invalid("Invalid property /bypass_actors: actor_id is no int.")
    personal = repository["full_name"].split("/")[0] == login
    if personal and actor["actor_type"] in ("OrganizationAdmin", "Team"):
        raise HTTPError(422, "Validation Failed: no such actor in a personal repository")


def environment(repository: dict[str, Any], name: str) -> tuple[str, dict[str, Any]] | None:
    """Return an environment with its name as it was made: the case does not count."""
    for known, settings in repository["environments"].items():
        if known.lower() == name.lower():
            return known, settings
    return None


def custom(settings: dict[str, Any]) -> bool:
    """Return whether the settings of an environment name patterns of branches and tags."""
    return bool((settings.get("deployment_branch_policy") or {}).get("custom_branch_policies"))


def check_environment(name: str, body: dict[str, Any], plan: str) -> None:
    """Refuse the settings of an environment.

    In a private repository below GitHub Enterprise not even an empty list of reviewers may be given
    [backstage/backstage#28977, alchemy-run/alchemy#1373], and on GitHub Free no policy; an empty
    body makes an environment there, too [integrations/terraform-provider-github#1311].
    """
    given = {key: value for key, value in body.items() if value is not None}
    guards = {"wait_timer": int, "prevent_self_review": bool, "reviewers": list}
    fields(given, {}, {**guards, "deployment_branch_policy": dict})
    policy = given.get("deployment_branch_policy")
    if policy is not None:
        fields(policy, {"protected_branches": bool, "custom_branch_policies": bool}, {})
        if policy["protected_branches"] == policy["custom_branch_policies"]:
            text = "protected_branches and custom_branch_policies cannot have the same value"
            raise HTTPError(422, f"Validation Failed: {text}")
    if not 0 < len(name) < 256 or not 0 <= given.get("wait_timer", 0) <= 43200:
        raise HTTPError(422, "Validation Failed")
    for reviewer in given.get("reviewers", []):
        fields(reviewer, {"type": str, "id": int}, {})
    if plan != "enterprise" and body.keys() & guards.keys():
        text = "Please ensure the billing plan supports the required reviewers protection rule."
        raise HTTPError(422, f"Failed to create the environment protection rule. {text}")
    if plan == "free" and policy is not None:
        text = "please ensure billing plan include protected branch gate."
        raise HTTPError(422, f"Fail to create protected rule, {text}")


def shown(repository: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an environment, as GET environments/NAME answers."""
    settings = repository["environments"][name]
    rules: list[dict[str, Any]] = []
    if settings.get("wait_timer"):
        rules.append({"type": "wait_timer", "wait_timer": settings["wait_timer"]})
    if settings.get("reviewers"):
        people = [
            {"type": each["type"], "reviewer": {"id": each["id"]}} for each in settings["reviewers"]
        ]
        alone = settings.get("prevent_self_review") or False
        rules.append(
            {"type": "required_reviewers", "prevent_self_review": alone, "reviewers": people}
        )
    policy = settings.get("deployment_branch_policy")
    if policy is not None:
        rules.append({"type": "branch_policy"})
    rules = [{"id": place, **rule} for place, rule in enumerate(rules, 1)]
    place = [*repository["environments"]].index(name) + 1
    return {
        "id": place,
        "name": name,
        "can_admins_bypass": True,
        "protection_rules": rules,
        "deployment_branch_policy": policy,
    }


def policies(settings: dict[str, Any], method: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Return the patterns of an environment, or the new one."""
    known = settings.setdefault("policies", [])
    if method == "POST":
        fields(body, {"name": str}, {"type": str})
        policy = {"name": body["name"], "type": body.get("type", "branch")}
        one_of(policy, "type", "branch", "tag")
        if policy in known:
            raise HTTPError(303, "See Other")
        known.append(policy)
        return 200, {"id": len(known), **policy}
    if method != "GET":
        raise NOT_FOUND
    rows = [{"id": place, "type": "branch", **each} for place, each in enumerate(known, 1)]
    return 200, {"total_count": len(rows), "branch_policies": rows}
