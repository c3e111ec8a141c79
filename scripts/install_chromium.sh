#!/usr/bin/env bash
# Installs the browser that pages are looked at in, Chromium, from Debian's or Ubuntu's packages, unless one is there.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null; then
    say "Needed to look at pages here: chromium (or google-chrome) on the PATH."
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    say "Chromium is installed by root: sudo make test-browser, or apt-get install chromium"
    exit 2
fi
say "Installing Chromium: apt-get install chromium"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
