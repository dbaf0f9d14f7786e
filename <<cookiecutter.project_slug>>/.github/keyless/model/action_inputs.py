"""The inputs of the actions that publish, as far as it is understood what they change.

Sources: the README and action.yml of configure-aws-credentials v6, amazon-ecr-login v2,
build-push-action v7 and checkout v7.
"""

from __future__ import annotations

from keyless.model.workflows import (
    BUILD,
    BUILDX,
    CHECKOUT,
    CREDENTIALS,
    DOWNLOAD,
    LOGIN,
    UPLOAD,
)

# What is read by a rule, or changes nothing that decides where the image goes.
UNDERSTOOD = {
    CREDENTIALS: {
        *("role-to-assume", "aws-region", "audience", "role-session-name"),
        *("role-duration-seconds", "allowed-account-ids", "mask-aws-account-id"),
        *("retry-max-attempts", "disable-retry", "special-characters-workaround"),
        *("action-timeout-s", "output-credentials", "output-env-credentials"),
        *("unset-current-credentials", "role-skip-session-tagging", "role-chaining"),
        *("use-existing-credentials", "force-skip-oidc", "web-identity-token-file"),
        *("aws-access-key-id", "aws-secret-access-key", "aws-session-token"),
    },
    LOGIN: {"registries", "registry-type", "mask-password", "skip-logout"},
    BUILD: {
        *("add-hosts", "allow", "annotations", "attests", "build-args", "build-contexts"),
        *("builder", "cache-from", "cache-to", "call", "cgroup-parent", "context", "file"),
        *("github-token", "labels", "load", "network", "no-cache", "no-cache-filters"),
        *("outputs", "platforms", "provenance", "pull", "push", "sbom", "secrets"),
        *("secret-envs", "secret-files", "shm-size", "ssh", "tags", "target", "ulimit"),
    },
    CHECKOUT: {
        *("repository", "ref", "token", "ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user"),
        *("persist-credentials", "path", "clean", "fetch-depth", "fetch-tags"),
        *("show-progress", "lfs", "submodules", "set-safe-directory", "github-server-url"),
    },
}
# The same for the actions that hand an image on from job to job: upload-artifact v7,
# download-artifact v8 and setup-buildx-action v4.
HANDING_ON = {
    UPLOAD: {
        *("name", "path", "if-no-files-found", "retention-days", "compression-level"),
        *("overwrite", "include-hidden-files"),
    },
    DOWNLOAD: {
        *("name", "artifact-ids", "path", "pattern", "merge-multiple", "github-token"),
        *("repository", "run-id", "digest-mismatch"),
    },
    BUILDX: {
        *("version", "driver", "driver-opts", "buildkitd-flags", "buildkitd-config"),
        *("buildkitd-config-inline", "install", "use", "endpoint", "platforms", "append"),
        *("cache-binary", "cleanup", "keep-state", "name", "config", "config-inline"),
    },
}
# Inputs that let the steps behind use other credentials, the values that do not, and why.
OTHER_CREDENTIALS = {
    "role-chaining": (
        ("", "false"),
        "assumes the role with the credentials of a step before, not with the OIDC token",
    ),
    "use-existing-credentials": (
        ("", "false"),
        "keeps credentials that exist already, so it may not assume the role",
    ),
    "force-skip-oidc": (("", "false"), "does not ask GitHub for an OIDC token"),
    "output-env-credentials": (("", "true"), "does not pass the credentials to the steps after it"),
    "web-identity-token-file": (("",), "takes the token from a file, not from GitHub"),
}
