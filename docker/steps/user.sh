#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make the user that everything runs as: docker/steps/user.sh UID GID. As root, in the image only.
set -euo pipefail
uid=${1:?uid} gid=${2:?gid}
[[ $uid -gt 0 ]] || { echo 'error: uid 0 is root; pass your own (id -u)' >&2; exit 2; }
# Ubuntu's images come with a user of uid 1000.
if getent passwd "$uid" >/dev/null; then userdel --remove "$(getent passwd "$uid" | cut -d: -f1)"; fi
getent group "$gid" >/dev/null || groupadd --gid "$gid" igrft
useradd --uid "$uid" --gid "$gid" --create-home --shell /bin/bash igrft
for group in video plugdev dialout; do
  if getent group "$group" >/dev/null; then usermod --append --groups "$group" igrft; fi
done
install -d -o "$uid" -g "$gid" /igrft /home/igrft/igrft_data
