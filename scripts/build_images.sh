#!/usr/bin/env bash
# Builds the container images for real, cpb-<runtime>:latest for each runtime (`make images`).
#
# With a running Docker or Podman engine: `docker build`. Without one, on Debian or Ubuntu and as root: buildah,
# and where no registry is reached, Debian's own packages in place of the base images, under the same names, so
# that the Dockerfiles are untouched.
#
#   build_images.sh            builds what changed; prints each image's size
#   build_images.sh --engine   prints the command that runs the images: docker, podman, or buildah with its storage
#
# Options, from the environment:
#   ENGINE            docker, podman or buildah; default: the first that works
#   IMAGES_DIR        where buildah keeps everything; default .cache/images
#   DEBIAN_MIRROR     where debootstrap fetches Debian's packages; default: its own choice
#   HOST_CA_BUNDLE    certificates to trust while building behind a proxy; default SSL_CERT_FILE   (buildah only)
#   HOST_PIP_CONFIG   pip's configuration while building; default PIP_CONFIG_FILE                  (buildah only)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${IMAGES_DIR:-$here/.cache/images}
mirror=${DEBIAN_MIRROR:-}
ca_bundle=${HOST_CA_BUNDLE:-${SSL_CERT_FILE:-}}
pip_config=${HOST_PIP_CONFIG:-${PIP_CONFIG_FILE:-}}

runtimes=(cellprofiler profiling starfish)
debian_base=docker.io/library/debian:bookworm-slim
python_base=docker.io/library/python:3.9-slim-bookworm
keep_mb=12000 # of layers of earlier builds: a whole build makes some 8000, each later change of the worker 20

say() { printf '%s\n' "$*" >&2; }

engine() {
    if [ -n "${ENGINE:-}" ]; then
        printf '%s\n' "$ENGINE"
    elif docker info >/dev/null 2>&1; then
        echo docker
    elif podman info >/dev/null 2>&1; then
        echo podman
    else
        echo buildah
    fi
}

# --- buildah ---------------------------------------------------------------------------------------

need_tools() {
    if [ "$(id -u)" -ne 0 ]; then
        say "No container engine runs here, and building without one needs root: sudo make images"
        exit 2
    fi
    if command -v buildah >/dev/null && command -v debootstrap >/dev/null; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        say "Needed to build images here: a running Docker or Podman, or buildah and debootstrap."
        exit 2
    fi
    say "Installing buildah and debootstrap: apt-get install buildah debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap >/dev/null
}

# overlay shares what layers have in common; vfs copies every layer, but needs nothing of the kernel.
# Asked once: the answer is the folder that exists.
storage_driver() {
    local probe
    if [ -d "$state/overlay" ]; then
        echo overlay
    elif [ -d "$state/vfs" ]; then
        echo vfs
    else
        mkdir -p "$state/probe/lower" "$state/probe/upper" "$state/probe/work" "$state/probe/merged"
        probe=$state/probe
        if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" \
            "$probe/merged" 2>/dev/null; then
            umount "$probe/merged"
            echo overlay
        else
            echo vfs
        fi
        rm -rf "$probe"
    fi
}

# Python 3.9 in the place where the base image has it. Only a Python that finds its library from its own place
# can be moved: pyenv's and uv's do, a distribution's under /usr is not taken.
copy_python() {
    local root=$1 python prefix
    python=$("$here/containers/cellprofiler/install.sh" --find-python)
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
    if [ "$prefix" = /usr ]; then
        say "$python belongs to this machine's distribution and cannot be moved: uv python install 3.9"
        exit 2
    fi
    mkdir -p "$root/usr/local/bin" "$root/usr/local/lib" "$root/usr/local/include"
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
    chroot "$root" /usr/local/bin/python3.9 -m ensurepip >/dev/null
    ln -sf pip3.9 "$root/usr/local/bin/pip"
}

# Runs a command with a log of the given name; if it fails, shows how the log ends.
quietly() {
    local log=$state/$1.log
    if ! "${@:2}" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        return 1
    fi
}

# A base image: the one that is there, the true one where a registry is reached, or what the function makes.
need_base() {
    local base=$1 make=$2
    if "${buildah[@]}" inspect --type image "$base" >/dev/null 2>&1 \
        || timeout 300 "${buildah[@]}" pull --quiet "$base" >/dev/null 2>&1; then
        return
    fi
    say "No registry is reached: $base is made from Debian's packages"
    "$make"
}

# More than the true one has: the libraries of any Python, which all our images install, and ca-certificates, over
# whose file that of this machine is mounted (`find_mounts`), so that it cannot be installed then.
make_debian() {
    local root=$state/rootfs container
    rm -rf "$root"
    quietly debian debootstrap --variant=minbase \
        --include=ca-certificates,libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,zlib1g \
        bookworm "$root" ${mirror:+"$mirror"}
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/tmp/*
    # As the true one has it: packages do not stay in the layer that they are installed in.
    echo 'APT::Keep-Downloaded-Packages "false";' >"$root/etc/apt/apt.conf.d/docker-clean"
    container=$("${buildah[@]}" from scratch)
    "${buildah[@]}" add --quiet "$container" "$root" / >/dev/null
    "${buildah[@]}" commit --quiet --rm "$container" "$debian_base" >/dev/null
    rm -rf "$root"
}

make_python() {
    local container
    container=$("${buildah[@]}" from --pull-never "$debian_base")
    copy_python "$("${buildah[@]}" mount "$container")"
    "${buildah[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    "${buildah[@]}" commit --quiet --rm "$container" "$python_base" >/dev/null
}

# What makes pip and uv trust this machine's proxy: configuration files, mounted while building. The images keep
# empty files.
find_mounts() {
    mounts=()
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

# With overlay, layers are kept: a change of the worker alone is built in seconds. vfs would copy each.
find_layers() {
    layers=false
    if [ -d "$state/overlay" ]; then
        layers=true
        if [ "$(du -sm "$state" | cut -f1)" -gt "$keep_mb" ]; then
            "${buildah[@]}" rmi --prune >/dev/null
        fi
    fi
}

# What the image of a runtime is made from.
fingerprint() {
    (cd "$here/containers" && find .dockerignore installer.lock "$1" worker -type f -not -path '*/__pycache__/*' -print0 \
        | LC_ALL=C sort -z | xargs -0 cksum | cksum)
}

bud() {
    local runtime=$1 image=$2 source=$3
    quietly "$runtime" "${buildah[@]}" bud --isolation chroot --pull-never --network host --layers="$layers" --force-rm \
        --label "cpb.source=$source" "${mounts[@]}" -f "$here/containers/$runtime/Dockerfile" -t "$image" \
        "$here/containers"
}

build_with_buildah() {
    local runtime=$1 image=cpb-$1:latest source built
    source=$(fingerprint "$runtime")
    built=$("${buildah[@]}" inspect --type image --format '{{index .OCIv1.Config.Labels "cpb.source"}}' "$image" \
        2>/dev/null || true)
    if [ "$built" = "$source" ]; then
        say "$image: nothing changed"
    else
        say "$image: building, log in $state/$runtime.log"
        # Buildah makes a sealed copy of itself for each step, which now and then is still held by somebody.
        bud "$runtime" "$image" "$source" || {
            grep -q "sealing memfd" "$state/$runtime.log" || return 1
            say "$image: buildah could not copy itself; building again"
            bud "$runtime" "$image" "$source"
        }
    fi
    "${buildah[@]}" images --format '{{.Name}}:{{.Tag}} {{.Size}}' "$image"
}

build_all_with_buildah() {
    local runtime
    need_base "$debian_base" make_debian
    need_base "$python_base" make_python
    find_mounts
    find_layers
    for runtime in "${runtimes[@]}"; do
        build_with_buildah "$runtime"
    done
    say "$(du -sh "$state" | cut -f1) in $state; delete the folder to start anew"
}

# --- docker and podman -----------------------------------------------------------------------------

build_with_engine() {
    local engine=$1 image=cpb-$2:latest
    "$engine" build -f "$here/containers/$2/Dockerfile" -t "$image" "$here/containers"
    "$engine" image inspect --format '{{.Size}}' "$image" | awk -v image="$image" '{printf "%s %.2f GB\n", image, $1 / 1e9}'
}

main() {
    local engine runtime
    engine=$(engine)
    if [ "$engine" != buildah ]; then
        if [ "${1:-}" = --engine ]; then
            echo "$engine"
            return
        fi
        for runtime in "${runtimes[@]}"; do
            build_with_engine "$engine" "$runtime"
        done
        return
    fi
    # One after the other, for those who ask at the same time.
    mkdir -p "$state"
    exec 9>"$state/build.lock"
    flock 9
    need_tools
    buildah=(buildah --root "$state" --runroot "$state/run" --storage-driver "$(storage_driver)")
    if [ "${1:-}" = --engine ]; then
        echo "${buildah[*]}"
        return
    fi
    build_all_with_buildah
}

main "$@"
