# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# The Python packages: a venv beside an installed ROS 2, or one that holds ROS 2 Jazzy itself. Sourced by setup.sh.

find_ros() {
  ros='' ros_setup=''
  if [[ -n $IGRFT_OUTER_ROS ]]; then
    ros=${IGRFT_OUTER_ROS%% *}
    [[ " $distros " == *" $ros "* ]] || die "ROS 2 $ros is sourced; igrft runs on: $distros. Open a shell without it, or source one of those."
    return
  fi
  ros_setup=$(installed_ros)
  [[ -z $ros_setup ]] || ros=$(basename "$(dirname "$ros_setup")")
}

with_ros() { # run a command in the environment of the ROS 2 below
  (
    set +u
    # shellcheck source=/dev/null
    [[ -z $ros_setup ]] || source "$ros_setup"
    exec "$@"
  )
}

find_python() { # the Python of the ROS 2 below; without one, a version that ROS 2 wheels exist for
  local candidate
  if [[ -n $ros ]]; then
    for candidate in "${IGRFT_PYTHON:-}" /usr/bin/python3 python3; do
      [[ -n $candidate ]] && with_ros "$candidate" -c 'import rclpy, venv, ensurepip' 2>/dev/null && { command -v "$candidate"; return; }
    done
    die "no Python that imports rclpy of ROS 2 $ros and has its venv module; install python3-venv and ros-$ros-ros-base, or name one in IGRFT_PYTHON"
  fi
  local candidates=(python3.11 python3.12 python3)
  [[ -z ${IGRFT_PYTHON:-} ]] || candidates=("$IGRFT_PYTHON")
  for candidate in "${candidates[@]}"; do
    "$candidate" - 2>/dev/null <<'END' && { command -v "$candidate"; return; }
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path('include'), 'Python.h')
sys.exit(sys.implementation.name != 'cpython' or sys.version_info[:2] not in ((3, 11), (3, 12)) or not os.path.exists(header))
END
  done
  local found
  found=$("${IGRFT_PYTHON:-python3}" --version 2>&1 | head -1) || found='no python3'
  die "ROS 2 wheels exist for CPython 3.11 and 3.12, and neither was found with its headers and its venv module (found: $found)." \
    'Install python3.12, python3.12-dev and python3.12-venv, or name one in IGRFT_PYTHON.'
}

debian() { # install Debian packages if we may; false if we may not or cannot
  [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null || return 1
  say "installing $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 9>&-
}

build_tools() {
  local missing=() tool
  for tool in cmake make g++; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [[ ${#missing[@]} -eq 0 ]] || debian "${missing[@]}" ||
    die "missing: ${missing[*]}. Install and call ./run again:  sudo apt-get install ${missing[*]}"
}

can_render() {
  MUJOCO_GL=${MUJOCO_GL:-egl} "$venv/bin/python" -c 'import mujoco, os
if os.environ["MUJOCO_GL"] not in ("disable", "disabled", "off"):
    mujoco.GLContext(16, 16).make_current()' >/dev/null 2>&1
}

rendering() {
  local libraries='libegl1 libgl1-mesa-dri'
  # shellcheck disable=SC2086
  can_render || { debian $libraries && can_render; } ||
    die "MuJoCo cannot render here (MUJOCO_GL=${MUJOCO_GL:-egl}). Install and call ./run again:  sudo apt-get install $libraries" \
      "  (or, for work without the simulated cell, set MUJOCO_GL=disabled)"
}

pip_install() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"; }

progress() { # of several pips at once: one line on a terminal, nothing elsewhere
  awk -v total="$1" -v terminal="$([[ -t 2 ]] && echo 1)" '
    !terminal { next }
    /^Collecting/ { printf "\r[run] fetched %d of %d: %-40.40s", ++n, total, $2; fflush() }
    /^Installing/ { printf "\r%-70s\r[run] unpacking %d packages …", "", total; fflush() }
    END { if (terminal) printf "\r%-70s\r", "" }' >&2
}

install_packages() {
  local started=$SECONDS requirements=(-r "$here/requirements.txt" -r "$here/requirements-dev.txt") python pins part failed=0 jobs=()
  build_tools
  # .installing: an installation was cut off. .made: the place and the ROS the venv was made for. Otherwise: from nothing.
  if [[ -e $venv/.installing ]] || ! stands "$venv/.made" "$root $ros" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    rm -f "$venv/.made"
    if [[ -n $ros ]]; then
      say "using ROS 2 $ros; what it does not bring goes to .venv (some minutes, mostly downloads)"
      with_ros "$python" -m venv --clear --system-site-packages "$venv"
    else
      say 'no ROS 2 on this machine: making ROS 2 Jazzy from PyPI wheels in .venv (some minutes, mostly downloads)'
      "$python" -m venv --clear "$venv"
    fi
    write "$venv/.made" <<<"$root $ros"
  fi
  rm -f "$venv/.packages_stamp" "$venv/.build_stamp"
  touch "$venv/.installing"

  # Every version is pinned, so three pips can work side by side without resolving anything; torch alone is a third of the bytes.
  # A last one with the requirements proper checks that nothing is missing, and adds what a platform needs beyond the pins.
  pins=$(mktemp -d)
  grep -hE '^(torch|transformers|sympy)==' "$here/constraints.txt" >"$pins/torch"
  grep -hE '^[A-Za-z]' "$here/constraints.txt" | grep -vE '^(torch|transformers|sympy)==' >"$pins/others"
  if [[ -z $ros ]]; then
    requirements+=(-r "$here/requirements-ros.txt")
    grep -hE '^[a-z]' "$here/requirements-ros.txt" >"$pins/ros"
  fi
  {
    for part in "$pins"/*; do
      pip_install --no-deps -r "$part" 2>"$pins/errors.${part##*/}" & jobs+=($!)
    done
    for part in "${jobs[@]}"; do wait "$part" || failed=1; done
    [[ $failed -eq 0 ]] && pip_install -c "$here/constraints.txt" "${requirements[@]}" 2>"$pins/errors" || failed=1
    exit "$failed"
  } | progress "$(cat "$pins"/* | wc -l)" || failed=1
  if [[ $failed -ne 0 ]]; then
    cat "$pins"/errors* | grep -v 'is ignored: it is' >&2
    rm -rf "$pins"
    die 'pip could not install the packages; the lines above say why. The next ./run begins anew.'
  fi
  rm -rf "$pins"
  rendering
  rm "$venv/.installing"
  write "$venv/.packages_stamp" <<<"$packages"
  say "packages installed in $((SECONDS - started)) s"
}
