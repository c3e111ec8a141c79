#!/usr/bin/env bash
# Installs starfish, from the lock beside this script, into an environment of its own.
#
#   install.sh DESTINATION           installs, or returns at once when nothing changed
#
# Called by the Dockerfile and by `make setup`, so that what is tried on a laptop is what runs on Batch.
# UV=/path/to/uv is used when uv is not on PATH. With STARFISH=/path/to/python nothing is installed: that Python is
# asked for its starfish and used (unless it is the one to be installed here).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }

# --- an existing starfish --------------------------------------------------------------------------

check_existing() {
    local version
    if ! version=$("$STARFISH" -I -c 'import importlib.metadata; print(importlib.metadata.version("starfish"))' 2>&1); then
        say "STARFISH=$STARFISH has no starfish:"
        printf '%s\n' "$version" | tail -n 5 >&2
        exit 2
    fi
    case $version in
        0.3.4) say "starfish $version: $STARFISH (set by STARFISH, nothing installed)" ;;
        *) say "warning: STARFISH=$STARFISH has version $version; this project is tested with 0.3.4" ;;
    esac
}

# --- Python 3.11 and uv ----------------------------------------------------------------------------

find_uv() {
    if [ -n "${UV:-}" ]; then
        printf '%s\n' "$UV"
    elif ! command -v uv; then
        say "uv is needed to install starfish: put it on PATH or name it, UV=/path/to/uv (make setup does)."
        return 2
    fi
}

# Run and not only looked at: pyenv puts a python3.11 on PATH that refuses to run unless it is activated.
is_python311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_python311() {
    local uv=$1 candidate
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python python3.11 python3; do
        if candidate=$(command -v "$candidate") && is_python311 "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if ! "$uv" python find --no-project --managed-python 3.11 2>/dev/null; then
        say "No Python 3.11 on this machine: fetching one with uv"
        if ! "$uv" python install 3.11 >&2; then
            say "Python 3.11 could not be fetched. Install it (pyenv install 3.11; macOS: brew install python@3.11) and try again."
            return 2
        fi
        "$uv" python find --no-project --managed-python 3.11
    fi
}

# --- the environment -------------------------------------------------------------------------------

# Everything the result depends on. cksum, since it is the one that Linux and macOS both have.
fingerprint() { cat "$here"/install.sh "$here"/requirements.lock | cksum; }

# The stamp is written last: an interrupted installation has none. The interpreter belongs to the machine and may have
# gone since.
is_whole() {
    [ -f "$1/.installed" ] && [ "$(cat "$1/.installed")" = "$(fingerprint)" ] && "$1/bin/python" -c '' 2>/dev/null
}

install() {
    local destination=$1 uv python
    if [ -e "$destination" ] && [ -n "$(ls -A "$destination")" ] && [ ! -f "$destination/pyvenv.cfg" ]; then
        say "$destination is neither empty nor a Python environment: not touched"
        exit 2
    fi
    uv=$(find_uv)
    python=$(find_python311 "$uv")
    say "starfish: installing into $destination (Python $python)"

    # In place, because the programs of an environment hold its path.
    # The old one is renamed first: if this is interrupted, no half of it is left under that name.
    rm -rf "$destination.old"
    if [ -e "$destination" ]; then
        mv "$destination" "$destination.old"
        rm -rf "$destination.old"
    fi
    "$uv" venv --quiet --no-project --python "$python" "$destination"
    # The lock is complete, so nothing is resolved here. Bytecode is made now: recipes cannot write to this environment,
    # and compiling it anew would cost each field of view 10 s.
    "$uv" pip install --python "$destination/bin/python" --require-hashes --no-deps --compile-bytecode --quiet \
        -r "$here/requirements.lock"
    MPLBACKEND=Agg "$destination/bin/python" -c 'import starfish, pyarrow'
    fingerprint >"$destination/.installed"
}

main() {
    local destination
    if [ $# -ne 1 ]; then
        say "usage: install.sh DESTINATION"
        exit 2
    fi
    destination=$1
    case $destination in
        /*) ;;
        *) destination=$(pwd -P)/$destination ;; # as make writes it in STARFISH
    esac
    if [ -n "${STARFISH:-}" ] && [ "$STARFISH" != "$destination/bin/python" ]; then
        check_existing
    elif ! is_whole "$destination"; then
        install "$destination"
    fi
}

main "$@"
