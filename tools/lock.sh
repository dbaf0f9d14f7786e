#!/bin/sh
# Pin what pyproject.toml declares, with hashes and without the address of any registry. Then write
# down what infra/ uses of the AWS provider, from three packages of 55 to 71 MB that are not kept.
set -eu
cd "$(dirname "$0")/.."
for group in rehearse test lint scan; do
  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    --group "pyproject.toml:$group" --output-file "requirements/$group.txt"
done
python -B -m tests.support.provider_packages
