#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The slow path of ./run: packages into .venv (packages.sh), then colcon and the cached environment (workspace.sh).
# One call at a time. A stamp is written last, atomically; work without its stamp is done again, from nothing if need be.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.venv
here=$root/tools/pip_ros

say() { printf '[run] %s\n' "$*"; }
die() { printf '[run] error: %s\n' "$*" >&2; exit 1; }
write() { cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1"; }
stands() { [[ -f $1 && $(<"$1") == "$2" ]]; } # the stamp file $1 says $2

command -v flock >/dev/null || die 'flock is missing; install util-linux'
exec 9>"$root/.run.lock"
flock -n 9 || { say 'another ./run is setting up, waiting for it'; flock 9; }

# shellcheck source=stamps.sh
source "$here/stamps.sh"
# shellcheck source=packages.sh
source "$here/packages.sh"
# shellcheck source=workspace.sh
source "$here/workspace.sh"

# Nested calls inherit this workspace's own environment; build on what lies below it.
for name in $searched; do
  [[ -z ${!name:-} ]] || export "$name=$(foreign "${!name}")"
  [[ -n ${!name:-} ]] || unset "$name"
done

find_ros # sets ros (empty: from wheels) and ros_setup (empty: already sourced, or from wheels)
packages=$(packages_stamp)
stands "$venv/.packages_stamp" "$packages" || install_packages
build=$(build_stamp)
built && stands "$venv/.build_stamp" "$build" || build_workspace
