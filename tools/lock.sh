#!/bin/sh
# Pin the dependencies of pyproject.toml, with hashes and without the address of a package registry.
# Then record the schemas of the AWS provider that infra/ uses. This downloads three packages of 55 to
# 71 MB, which are not kept.
set -eu
cd "$(dirname "$0")/.."
tool='<<cookiecutter.project_slug>>/.github/keyless'
for group in rehearse test lint scan bench update; do
  out="requirements/$group.txt" same=
  if [ "$group" = update ]; then # the same versions as in the tests
    out="$tool/cookiecutter.txt" same="--constraint requirements/test.txt"
  fi
  # shellcheck disable=SC2086 # two words or none
  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    $same --group "pyproject.toml:$group" --output-file "$out"
done
python -B -m tests.support.provider_packages
