#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The built workspace starts as it is: nothing is installed or built again, every launch file shows its arguments.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
said=$(./run true 2>&1)
[[ -z $said ]] || { printf 'error: the image would set itself up again at every start:\n%s\n' "$said" >&2; exit 1; }
for file in launch/*.launch.py; do
  ./run ros2 launch igrft "$(basename "$file")" --show-args >/dev/null
done
