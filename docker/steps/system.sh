#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install Debian packages by list: docker/steps/system.sh base [robot]. As root, on Ubuntu 24.04 with the ROS 2 apt source.
# What was installed, with versions, is kept in /usr/local/share/igrft/apt-<list>.txt: two images can be compared by it.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ $# -gt 0 ]] || { echo "usage: $0 LIST…   (of $(cd "$here/apt" && ls -- *.txt | tr '\n' ' '))" >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive
apt-get update
for list; do
  [[ -f $here/apt/$list.txt ]] || { echo "error: no list '$list' in $here/apt" >&2; exit 2; }
  mapfile -t packages < <(grep -v '^#' "$here/apt/$list.txt")
  apt-get install -y --no-install-recommends "${packages[@]}"
  mkdir -p /usr/local/share/igrft
  dpkg-query -W -f '${Package}=${Version}\n' "${packages[@]}" >"/usr/local/share/igrft/apt-$list.txt"
done
rm -rf /var/lib/apt/lists/*
