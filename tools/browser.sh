#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./run tools/browser.sh   what the console's browser tests and pictures need: Chromium and Playwright
#
# On Debian, as root, Chromium and its fonts come as packages; elsewhere Playwright fetches its own Chromium.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

python -m pip install --disable-pip-version-check --no-input -q -r "$here/extras/browser.txt"
if command -v chromium >/dev/null; then
  : # it is there
elif [[ $(id -u) -eq 0 ]] && grep -qs '^ID=debian' /etc/os-release; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-inter >/dev/null
else
  python -m playwright install chromium
fi
python -c 'import playwright; print("Playwright and Chromium are ready")'
