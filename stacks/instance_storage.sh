#!/bin/bash
# Runs on a host at its first boot, before Docker: where the instance has a local disk, everything of Docker goes there,
# images and the scratch volumes of the jobs. The largest disk is taken; without any, the root volume stays in use.
set -euo pipefail

disks=${INSTANCE_DISKS:-/dev/disk/by-id}
docker=${DOCKER_FOLDER:-/var/lib/docker}

# Names of the disks that come and go with the instance; each has several.
local_disks() {
    find "$disks" -name 'nvme-Amazon_EC2_NVMe_Instance_Storage_*' ! -name '*-part*' -exec readlink -f {} \; | sort -u
}

largest() {
    while read -r disk; do
        printf '%s %s\n' "$(blockdev --getsize64 "$disk")" "$disk"
    done | sort -n | tail -n 1 | cut -d ' ' -f 2
}

disk=$(local_disks | largest)
if [ -n "$disk" ] && ! mountpoint -q "$docker"; then
    mkfs.xfs -f -q "$disk"
    mkdir -p "$docker"
    mount -o noatime "$disk" "$docker"
fi
