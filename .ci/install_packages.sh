#!/usr/bin/env bash
# Debian's programs that tests need. Where CI is set, a test that lacks one fails and is not skipped.
set -euo pipefail

packages=(aardvark-dns buildah chromium curl debootstrap faketime iptables netavark nginx podman postgresql prometheus runc)
if ! dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null | awk '!/ok installed/ {exit 1} END {exit NR < '"${#packages[@]}"'}'; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
