#!/bin/sh
# Pin what pyproject.toml declares, with hashes and without the address of any registry. Then write
# down what infra/ uses of the AWS provider, from three packages of 55 to 71 MB that are not kept.
set -eu
cd "$(dirname "$0")/.."
tool='<<cookiecutter.project_slug>>/.github/keyless'
for group in rehearse test lint scan bench update; do
  out="requirements/$group.txt" same=
  if [ "$group" = update ]; then # what the tests have tried
    out="$tool/cookiecutter.txt" same="--constraint requirements/test.txt"
  fi
  # shellcheck disable=SC2086 # two words or none
  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    $same --group "pyproject.toml:$group" --output-file "$out"
done
python -B -m tests.support.provider_packages
