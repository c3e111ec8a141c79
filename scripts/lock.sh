#!/usr/bin/env bash
# Writes the locks of the container images from their .in files and from uv.lock. Needs uv: UV=/path/to/uv.
# Versions that are locked already stay, unless --upgrade is given.
set -euo pipefail
options=("$@")
uv=$(command -v "${UV:-uv}")
uv=$(cd "$(dirname "$uv")" && pwd)/uv
cd "$(dirname "${BASH_SOURCE[0]}")/../containers/cellprofiler"

# --no-config, --no-emit-*: nothing of this machine's index or mirror belongs in a lock.
compile() {
    "$uv" pip compile --quiet --no-config --generate-hashes --python-version 3.9 --python-platform linux \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" ${options[@]+"${options[@]}"} "$@"
}

compile --overrides overrides.txt requirements.in -o requirements.lock
compile build-requirements.in -o build-requirements.lock
compile installer.in -o installer.lock
{
    echo "# The worker's dependencies as uv.lock has them. Made by \`make lock\`:"
    echo "# uv export --frozen --package cellpainting --no-dev --no-emit-workspace --no-header"
    "$uv" export --quiet --frozen --package cellpainting --no-dev --no-emit-workspace --no-header
} >worker.lock
