#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./run test [pytest arguments]: style, types, floors, then every test; quick failures come first.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

section() { printf '\n== %s\n' "$*"; }
if [[ $# -eq 0 ]]; then
  section 'ruff'; ruff check .
  section 'mypy'; mypy
  section 'import-linter: the floors'; lint-imports
  section 'package tests'
  pytest -q -n 2 --dist loadfile src/igrft/test src/igrft_sim/test
  section 'whole-system tests: real processes, real DDS'
  exec pytest -q test
fi
exec pytest "$@"
