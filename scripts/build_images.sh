#!/usr/bin/env bash
# Builds the container images, cpb-<runtime>:latest for each runtime (`make images`), with a running Docker or Podman.
#
# Where neither runs, Debian's or Ubuntu's Podman is installed, as root: it needs no service. Where no registry is
# reached, Podman takes bases made from Debian's own packages in place of those that the Dockerfiles name.
#
#   build_images.sh            builds what changed; prints each image's size
#   build_images.sh --ready    prints the command that runs the images: docker or podman, perhaps with its settings;
#                              fails if an image is missing or out of date
#
# Options, from the environment:
#   ENGINE            docker or podman; default: the first that works
#   IMAGES_DIR        logs and what bases are made from; default .cache/images
#   DEBIAN_MIRROR     where debootstrap fetches Debian's packages; default: its own choice
#   HOST_CA_BUNDLE    certificates to trust while building behind a proxy; default SSL_CERT_FILE   (podman only)
#   HOST_PIP_CONFIG   pip's configuration while building; default PIP_CONFIG_FILE                  (podman only)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${IMAGES_DIR:-$here/.cache/images}
mirror=${DEBIAN_MIRROR:-}
ca_bundle=${HOST_CA_BUNDLE:-${SSL_CERT_FILE:-}}
pip_config=${HOST_PIP_CONFIG:-${PIP_CONFIG_FILE:-}}
export UV=${UV:-$here/.tools/bin/uv}

runtimes=(cellprofiler profiling starfish)

say() { printf '%s\n' "$*" >&2; }

# Runs a command with a log of the given name; if it fails, shows how the log ends.
quietly() {
    local log=$state/$1.log
    if ! "${@:2}" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        return 1
    fi
}

# --- the engine ------------------------------------------------------------------------------------

find_engine() {
    if [ -n "${ENGINE:-}" ]; then
        engine=("$ENGINE")
    elif docker info >/dev/null 2>&1; then
        engine=(docker)
    elif podman info >/dev/null 2>&1; then
        engine=(podman)
    else
        say "Neither Docker nor Podman runs here. On Debian and Ubuntu, 'make images' installs Podman, as root."
        return 2
    fi
    if [ "${engine[0]}" = podman ]; then
        allow_limits
    fi
}

# Podman asks for more open files than a root that may not raise its limits can have, and then starts nothing.
allow_limits() {
    local processes=$(($(ulimit -Hu) < $(cat /proc/sys/kernel/pid_max) ? $(ulimit -Hu) : $(cat /proc/sys/kernel/pid_max)))
    if [ "$(id -u)" -ne 0 ] || (ulimit -Hn 1048576) 2>/dev/null; then
        return
    fi
    cat >"$state/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=$processes:$processes"]
EOF
    engine=(env "CONTAINERS_CONF=$state/containers.conf" podman)
}

# runc and not crun: where both kinds of control groups are mounted, crun refuses. catatonit is `run --init`.
install_podman() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "Needed to build images: a running Docker or Podman; or root on Debian or Ubuntu, to install Podman."
        exit 2
    fi
    say "Installing Podman: apt-get install podman runc catatonit"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman runc catatonit >/dev/null
}

# --- bases where no registry is reached ------------------------------------------------------------

# The images that Dockerfiles name, as ARG=image@digest.
pinned_bases() { sed -n 's/^ARG \([A-Z0-9]*=.*@sha256:.*\)/\1/p' "$@" | sort -u; }

has_image() { "${engine[@]}" image inspect "$1" >/dev/null 2>&1; }

# Whether the bases are those that the Dockerfiles name. Docker fetches them itself, while it builds.
find_bases() {
    local base
    has_bases=true
    if [ "${engine[*]}" = docker ]; then
        return
    fi
    while read -r base; do
        has_image "${base#*=}" || timeout 300 "${engine[@]}" pull --quiet "${base#*=}" >/dev/null 2>&1 || has_bases=false
    done < <(pinned_bases "$here"/containers/*/Dockerfile)
    $has_bases || make_stand_ins
}

# Leaves the build arguments that put the stand-ins in the place of what a Dockerfile names, or none.
find_base_arguments() {
    local base
    base_arguments=()
    while read -r base; do
        $has_bases || base_arguments+=(--build-arg "${base%%=*}=localhost/cpb-stand-in:${base%%=*}")
    done < <(pinned_bases "$1")
}

make_stand_ins() {
    local root=$state/rootfs
    if has_image localhost/cpb-stand-in:DEBIAN && has_image localhost/cpb-stand-in:PYTHON39; then
        return
    fi
    say "No registry is reached: the bases are made from Debian's packages and this machine's Python 3.9"
    if ! command -v debootstrap >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
    fi
    rm -rf "$root"
    make_debian "$root"
    import "$root" localhost/cpb-stand-in:DEBIAN
    copy_python "$root"
    import "$root" localhost/cpb-stand-in:PYTHON39
    rm -rf "$root"
}

import() { tar -C "$1" -cf - . | "${engine[@]}" import --quiet - "$2" >/dev/null; }

# More than the true one has: the libraries of any Python, which all our images install, and ca-certificates, over
# whose file that of this machine is mounted (`find_mounts`), so that it cannot be installed then.
make_debian() {
    local root=$1
    quietly debian debootstrap --variant=minbase \
        --include=ca-certificates,libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,zlib1g \
        bookworm "$root" ${mirror:+"$mirror"}
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/tmp/*
    # As the true one has it: packages do not stay in the layer that they are installed in.
    echo 'APT::Keep-Downloaded-Packages "false";' >"$root/etc/apt/apt.conf.d/docker-clean"
}

# Python 3.9 in the place where its image has it. Only a Python that finds its library from its own place
# can be moved: pyenv's and uv's do, a distribution's under /usr is not taken.
copy_python() {
    local root=$1 python prefix
    python=$("$here/containers/cellprofiler/install.sh" --find-python)
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
    if [ "$prefix" = /usr ]; then
        say "$python belongs to this machine's distribution and cannot be moved: uv python install 3.9"
        exit 2
    fi
    cp -a "$prefix/bin/python3.9" "$root/usr/local/bin/"
    ln -sf python3.9 "$root/usr/local/bin/python3"
    ln -sf python3.9 "$root/usr/local/bin/python"
    cp -a "$prefix/include/python3.9" "$root/usr/local/include/"
    cp -a "$prefix"/lib/libpython3*.so* "$root/usr/local/lib/" 2>/dev/null || true
    tar -C "$prefix/lib" --exclude=__pycache__ --exclude='python3.9/test' --exclude='site-packages/*' \
        -cf - python3.9 | tar -C "$root/usr/local/lib" --no-same-owner -xf -
    # What compiling an extension asks for: written down when this Python was built.
    sed -i "s|$prefix|/usr/local|g" "$root"/usr/local/lib/python3.9/_sysconfigdata_*.py
    chroot "$root" ldconfig
}

# --- the images ------------------------------------------------------------------------------------

# What makes pip and uv trust this machine's proxy: configuration files, mounted while building. The images keep
# empty files. Docker has no such mounts.
find_mounts() {
    mounts=()
    if [ "${engine[*]}" = docker ]; then
        return
    fi
    if [ -n "$ca_bundle" ]; then
        printf '[global]\ncert = /run/host-ca.crt\n' >"$state/pip.conf"
        pip_config=${pip_config:-$state/pip.conf}
        printf 'system-certs = true\n' >"$state/uv.toml"
        mounts+=(--volume "$ca_bundle:/run/host-ca.crt:ro" --volume "$ca_bundle:/etc/ssl/certs/ca-certificates.crt:ro")
        mounts+=(--volume "$state/uv.toml:/etc/uv/uv.toml:ro")
    fi
    if [ -n "$pip_config" ]; then
        mounts+=(--volume "$pip_config:/etc/pip.conf:ro")
    fi
}

# What the image of a runtime is made from.
fingerprint() {
    (cd "$here/containers" && find .dockerignore installer.lock "$1" worker -type f -not -path '*/__pycache__/*' -print0 \
        | LC_ALL=C sort -z | xargs -0 cksum | cksum)
}

is_current() {
    local built
    built=$("${engine[@]}" image inspect --format '{{index .Config.Labels "cpb.source"}}' "cpb-$1:latest" 2>/dev/null) \
        && [ "$built" = "$(fingerprint "$1")" ]
}

# `--network host`: what a build fetches it fetches as this machine does.
build() {
    local runtime=$1 image=cpb-$1:latest dockerfile=$here/containers/$1/Dockerfile
    if is_current "$runtime"; then
        say "$image: nothing changed"
    else
        say "$image: building, log in $state/$runtime.log"
        find_base_arguments "$dockerfile"
        quietly "$runtime" "${engine[@]}" build --network host --label "cpb.source=$(fingerprint "$runtime")" \
            ${base_arguments[@]+"${base_arguments[@]}"} ${mounts[@]+"${mounts[@]}"} -f "$dockerfile" -t "$image" "$here/containers"
    fi
    "${engine[@]}" image inspect --format '{{.Size}}' "$image" \
        | awk -v image="$image" '{printf "%s %.2f GB\n", image, $1 / 1e9}'
}

ready() {
    local runtime
    find_engine
    for runtime in "${runtimes[@]}"; do
        if ! is_current "$runtime"; then
            say "The image cpb-$runtime:latest is missing or out of date: make images"
            return 2
        fi
    done
    printf '%s\n' "${engine[*]}"
}

main() {
    local runtime
    mkdir -p "$state"
    if [ "${1:-}" = --ready ]; then
        ready
        return
    fi
    # One after the other, for those who ask at the same time; macOS has no flock.
    exec 9>"$state/build.lock"
    if command -v flock >/dev/null; then
        flock 9
    fi
    find_engine 2>/dev/null || { install_podman && find_engine; }
    find_bases
    find_mounts
    for runtime in "${runtimes[@]}"; do
        build "$runtime"
    done
}

main "$@"
