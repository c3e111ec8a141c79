#!/usr/bin/env bash
# Writes the locks of the container images from their .in files and from uv.lock. Needs uv: UV=/path/to/uv.
# Versions that are locked already stay, unless --upgrade is given.
set -euo pipefail
options=("$@")
uv=$(command -v "${UV:-uv}")
uv=$(cd "$(dirname "$uv")" && pwd)/uv
cd "$(dirname "${BASH_SOURCE[0]}")/../containers"

# compile PYTHON_VERSION ...
# --no-config, --no-emit-*: nothing of this machine's index or mirror belongs in a lock.
compile() {
    local python=$1
    shift
    "$uv" pip compile --quiet --no-config --generate-hashes --python-version "$python" --python-platform linux \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" ${options[@]+"${options[@]}"} "$@"
}

# What the worker depends on in the image of one runtime; options name extras.
export_worker() {
    local lock=$1/worker.lock
    local export=(export --frozen --package cellpainting "${@:2}" --no-dev --no-emit-workspace --no-header)
    {
        echo "# The worker's dependencies as uv.lock has them. Made by \`make lock\`:"
        echo "# uv ${export[*]}"
        "$uv" "${export[@]}" --quiet
    } >"$lock"
}

# Installed by Python 3.9 for CellProfiler and by 3.11 for the rest: locked for the older, it suits both.
compile 3.9 installer.in -o installer.lock
export_worker cellprofiler
export_worker profiling --extra profiling
export_worker starfish
(cd starfish && compile 3.11 requirements.in -o requirements.lock)
cd cellprofiler
compile 3.9 --overrides overrides.txt requirements.in -o requirements.lock
compile 3.9 build-requirements.in -o build-requirements.lock
