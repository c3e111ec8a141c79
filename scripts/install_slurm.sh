#!/usr/bin/env bash
# Installs what the tests of SLURM need, slurmctld, slurmd and munge, from Debian's or Ubuntu's packages. No daemon is
# left running: the tests start their own, with a configuration of their own, and end them.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

if [ "$(id -u)" -ne 0 ]; then
    say "SLURM's daemons are installed and started by root: sudo make test-slurm"
    exit 2
fi
if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    say "Needed to test SLURM here: slurmctld, slurmd and munged (Debian, Ubuntu: slurm-wlm and munge)."
    exit 2
fi
say "Installing SLURM: apt-get install slurm-wlm munge"
apt-get update -qq
# Without policy-rc.d's leave, packages start no services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
