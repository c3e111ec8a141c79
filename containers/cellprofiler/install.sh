#!/usr/bin/env bash
# Installs CellProfiler, from the lock beside this script, into an environment of its own.
#
#   install.sh DESTINATION           installs, or returns at once when nothing changed
#   install.sh --check DESTINATION   only names what the machine lacks; nothing is fetched
#   install.sh --find-python         prints the Python 3.9 that it would use
#
# Called by the Dockerfile and by `make setup`, so that what is tried on a laptop is what runs on Batch.
# UV=/path/to/uv is used when uv is not on PATH. With CELLPROFILER=/path/to/cellprofiler nothing is
# installed: that program is asked for its version and used (unless it is the one to be installed here).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }

# --- what no package index has ---------------------------------------------------------------------

# A JDK and not only a Java: python-javabridge is compiled against jni.h.
is_jdk() { [ -x "$1/bin/javac" ] && [ -f "$1/include/jni.h" ]; }

find_jdk() {
    local candidate
    local candidates=("${JAVA_HOME:-}")
    if candidate=$(command -v javac); then
        candidate=$(readlink -f "$candidate")
        candidates+=("${candidate%/bin/javac}")
    fi
    candidates+=("${CPB_JVM_FOLDER:-/usr/lib/jvm}"/*) # a test names another
    # Prints the home of the default JDK, or nothing; macOS only.
    if [ -x /usr/libexec/java_home ]; then
        candidates+=("$(/usr/libexec/java_home 2>/dev/null || true)")
    fi
    for candidate in "${candidates[@]}"; do
        if is_jdk "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# Asked to do something: macOS has a /usr/bin/cc that only offers to install the real one.
has_compiler() { "$1" --version >/dev/null 2>&1 || "$2" --version >/dev/null 2>&1; }

check_prerequisites() {
    local missing=()
    find_jdk >/dev/null || missing+=("a JDK (Java 11 or newer, with javac): CellProfiler reads images through Java")
    has_compiler cc gcc || missing+=("a C compiler: python-javabridge, which joins Python to Java, is built from source")
    has_compiler c++ g++ || missing+=("a C++ compiler: kernels that measure faster are compiled with it")
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    say "CellProfiler cannot be installed yet. Missing on this machine:"
    printf '  - %s\n' "${missing[@]}" >&2
    say "
Install what is missing, then run the same command again:
  Debian, Ubuntu:  sudo apt-get install -y default-jdk-headless build-essential
  Fedora:          sudo dnf install -y java-21-openjdk-devel gcc-c++
  macOS:           brew install --cask temurin@21 && xcode-select --install

A JDK in an unusual place is found with JAVA_HOME=/path/to/jdk. A CellProfiler 4.2.8 that is already
installed is used with CELLPROFILER=/path/to/cellprofiler, and then nothing of the above is needed."
    exit 2
}

# --- an existing CellProfiler ----------------------------------------------------------------------

check_existing() {
    local version
    if ! version=$("$CELLPROFILER" --version 2>&1); then
        say "CELLPROFILER=$CELLPROFILER does not run:"
        printf '%s\n' "$version" | tail -n 5 >&2
        exit 2
    fi
    version=$(printf '%s\n' "$version" | tail -n 1)
    case $version in
        4.2.8*) say "CellProfiler $version: $CELLPROFILER (set by CELLPROFILER, nothing installed)" ;;
        *) say "warning: CELLPROFILER=$CELLPROFILER is version $version; this project is tested with 4.2.8" ;;
    esac
}

# --- Python 3.9 and uv -----------------------------------------------------------------------------

find_uv() {
    if [ -n "${UV:-}" ]; then
        printf '%s\n' "$UV"
    elif ! command -v uv; then
        say "uv is needed to install CellProfiler: put it on PATH or name it, UV=/path/to/uv (make setup does)."
        return 2
    fi
}

# Run and not only looked at: pyenv puts a python3.9 on PATH that refuses to run unless it is activated.
# The header is there or not with the distribution's -dev package; python-javabridge is compiled against it.
is_python39() {
    "$1" -c '
import os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info[:2] == (3, 9) and os.path.exists(header)))' 2>/dev/null
}

find_python39() {
    local uv=$1 candidate
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.9*/bin/python python3.9 python3; do
        if candidate=$(command -v "$candidate") && is_python39 "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if ! "$uv" python find --no-project --managed-python 3.9 2>/dev/null; then
        say "No Python 3.9 on this machine: fetching one with uv"
        if ! "$uv" python install 3.9 >&2; then
            say "Python 3.9 could not be fetched. Install it (pyenv install 3.9; macOS: brew install python@3.9) and try again."
            return 2
        fi
        "$uv" python find --no-project --managed-python 3.9
    fi
}

# --- the environment -------------------------------------------------------------------------------

# Everything the result depends on. cksum, since it is the one that Linux and macOS both have.
fingerprint() { cat "$here"/install.sh "$here"/*requirements.lock "$here"/smoke/*.* | cksum; }

# The stamp is written last: an interrupted installation has none. The interpreter and the JDK belong to
# the machine and may have gone since.
is_whole() {
    [ -f "$1/.installed" ] && [ "$(cat "$1/.installed")" = "$(fingerprint)" ] \
        && [ -d "$(cat "$1/java_home")" ] && "$1/bin/python" -c '' 2>/dev/null
}

install() {
    local destination=$1 uv java_home python
    if [ -e "$destination" ] && [ -n "$(ls -A "$destination")" ] && [ ! -f "$destination/pyvenv.cfg" ]; then
        say "$destination is neither empty nor a Python environment: not touched"
        exit 2
    fi
    uv=$(find_uv)
    python=$(find_python39 "$uv")
    java_home=$(find_jdk)
    say "CellProfiler: installing into $destination (Python $python, Java $java_home)"

    # In place, because the programs of an environment hold its path.
    # The old one is renamed first: if this is interrupted, no half of it is left under that name.
    rm -rf "$destination.old"
    if [ -e "$destination" ]; then
        mv "$destination" "$destination.old"
        rm -rf "$destination.old"
    fi
    "$uv" venv --quiet --no-project --python "$python" "$destination"

    # Both locks are complete, so nothing is resolved here; --no-deps also leaves out what overrides.txt does.
    local pip=("$uv" pip install --python "$destination/bin/python" --require-hashes --no-deps)
    "${pip[@]}" --quiet -r "$here/build-requirements.lock"
    JAVA_HOME=$java_home "${pip[@]}" --quiet --no-build-isolation -r "$here/requirements.lock"

    # python-javabridge looks for Java through JAVA_HOME only. A .pth file is read by every start of this
    # interpreter, so bin/cellprofiler and `bin/python driver.py` both find the JDK they were installed with,
    # whatever the caller's JAVA_HOME is.
    printf '%s\n' "$java_home" >"$destination/java_home"
    cat >"$("$destination/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/java_home.pth" <<EOF
import os, sys; os.environ["JAVA_HOME"] = open(os.path.join(sys.prefix, "java_home")).read().strip()
EOF

    "$destination/bin/python" "$here/smoke/check.py"
    fingerprint >"$destination/.installed"
}

main() {
    local only_check=false uv destination
    if [ "${1:-}" = --check ]; then
        only_check=true
        shift
    fi
    if [ $# -ne 1 ]; then
        say "usage: install.sh [--check] DESTINATION | --find-python"
        exit 2
    fi
    if [ "$1" = --find-python ]; then
        uv=$(find_uv)
        find_python39 "$uv"
        return
    fi
    destination=$1
    case $destination in
        /*) ;;
        *) destination=$(pwd -P)/$destination ;; # as make writes it in CELLPROFILER
    esac
    if [ -n "${CELLPROFILER:-}" ] && [ "$CELLPROFILER" != "$destination/bin/cellprofiler" ]; then
        check_existing
    elif ! is_whole "$destination"; then
        check_prerequisites
        if ! $only_check; then
            install "$destination"
        fi
    fi
}

main "$@"
