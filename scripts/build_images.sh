#!/usr/bin/env bash
# Builds the container images for real (`make images`).
#
# With a running Docker or Podman engine: `docker build`. Without one, on Debian or Ubuntu and as root: buildah,
# and where no registry is reached, Debian's own packages in place of the base image, under the same name, so
# that the Dockerfile is untouched.
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

base=docker.io/library/python:3.9-slim-bookworm
image=cpb-cellprofiler:latest
keep_mb=8000 # of layers of earlier builds: a whole build makes 5000, each later change of the worker 200
dockerfile=$here/containers/cellprofiler/Dockerfile

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

make_base() {
    local root=$state/rootfs container
    if "${buildah[@]}" inspect --type image "$base" >/dev/null 2>&1; then
        return
    fi
    # The true one, where a registry is reached.
    if timeout 300 "${buildah[@]}" pull --quiet "$base" >/dev/null 2>&1; then
        return
    fi
    say "No registry is reached: $base is made from Debian's packages"
    rm -rf "$root"
    debootstrap --variant=minbase \
        --include=ca-certificates,libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,zlib1g \
        bookworm "$root" ${mirror:+"$mirror"} >"$state/debootstrap.log" || {
        tail -n 20 "$state/debootstrap.log" >&2
        exit 1
    }
    copy_python "$root"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/tmp/*
    container=$("${buildah[@]}" from scratch)
    "${buildah[@]}" add --quiet "$container" "$root" / >/dev/null
    "${buildah[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    "${buildah[@]}" commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$root"
}

# What the image is made from.
fingerprint() {
    (cd "$here/containers" && find .dockerignore cellprofiler worker -type f -not -path '*/__pycache__/*' -print0 \
        | LC_ALL=C sort -z | xargs -0 cksum | cksum)
}

build_with_buildah() {
    local mounts=() source
    source=$(fingerprint)
    if [ "$("${buildah[@]}" inspect --type image --format '{{index .OCIv1.Config.Labels "cpb.source"}}' "$image" 2>/dev/null)" \
        = "$source" ]; then
        say "$image: nothing changed"
        return
    fi
    make_base
    if [ -n "$ca_bundle" ]; then
        # pip and uv are told through their configuration files, mounted while building: the image keeps empty files.
        printf '[global]\ncert = /run/host-ca.crt\n' >"$state/pip.conf"
        pip_config=${pip_config:-$state/pip.conf}
        printf 'system-certs = true\n' >"$state/uv.toml"
        mounts+=(--volume "$ca_bundle:/run/host-ca.crt:ro" --volume "$ca_bundle:/etc/ssl/certs/ca-certificates.crt:ro")
        mounts+=(--volume "$state/uv.toml:/etc/uv/uv.toml:ro")
    fi
    if [ -n "$pip_config" ]; then
        mounts+=(--volume "$pip_config:/etc/pip.conf:ro")
    fi
    # With overlay, layers are kept: a change of the worker alone is built in seconds. vfs would copy each.
    local layers=false
    if [ -d "$state/overlay" ]; then
        layers=true
        if [ "$(du -sm "$state" | cut -f1)" -gt "$keep_mb" ]; then
            "${buildah[@]}" rmi --prune >/dev/null
        fi
    fi
    say "$image: building, log in $state/build.log"
    if ! "${buildah[@]}" bud --isolation chroot --pull-never --network host --layers="$layers" \
        --label "cpb.source=$source" "${mounts[@]}" -f "$dockerfile" -t "$image" "$here/containers" \
        >"$state/build.log" 2>&1; then
        tail -n 40 "$state/build.log" >&2
        exit 1
    fi
}

main() {
    local engine
    engine=$(engine)
    if [ "$engine" != buildah ]; then
        if [ "${1:-}" = --engine ]; then
            echo "$engine"
            return
        fi
        "$engine" build -f "$dockerfile" -t "$image" "$here/containers"
        "$engine" image inspect --format '{{.Size}}' "$image" | awk -v image="$image" '{printf "%s %.2f GB\n", image, $1 / 1e9}'
        return
    fi
    need_tools
    mkdir -p "$state"
    buildah=(buildah --root "$state" --runroot "$state/run" --storage-driver "$(storage_driver)")
    if [ "${1:-}" = --engine ]; then
        echo "${buildah[*]}"
        return
    fi
    build_with_buildah
    "${buildah[@]}" images --format '{{.Name}}:{{.Tag}} {{.Size}}' "$image"
    say "$(du -sh "$state" | cut -f1) in $state; delete the folder to start anew"
}

main "$@"
