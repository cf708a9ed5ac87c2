#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The slow path of ./run: packages into .venv, colcon build, and the environment cached for the next call.
# Everything that can be interrupted leaves a mark and is made anew by the next call; stamps are written last.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.venv
here=$root/tools/pip_ros
distros='jazzy kilted lyrical'

say() { printf '[run] %s\n' "$*"; }
die() { printf '[run] error: %s\n' "$*" >&2; exit 1; }

exec 9>"$root/.run.lock"
flock -n 9 || { say 'another ./run is setting up, waiting for it'; flock 9; }

find_ros() { # prints the setup file of an installed ROS 2, or nothing
  if [[ -n ${ROS_DISTRO:-} ]]; then
    [[ " $distros " == *" $ROS_DISTRO "* ]] ||
      die "ROS 2 $ROS_DISTRO is sourced; igrft runs on: $distros. Open a shell without it, or source one of those."
    local prefix
    for prefix in ${AMENT_PREFIX_PATH//:/ }; do
      [[ -f $prefix/bin/ros2 && -f $prefix/setup.bash ]] && { echo "$prefix/setup.bash"; return; }
    done
  fi
  local distro
  for distro in $distros; do
    [[ -f /opt/ros/$distro/setup.bash ]] && { echo "/opt/ros/$distro/setup.bash"; return; }
  done
  return 0
}

find_python() {
  local candidate
  for candidate in "${IGRFT_PYTHON:-}" python3.11 python3.12 python3; do
    [[ -n $candidate ]] || continue
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null &&
      { command -v "$candidate"; return; }
  done
  die 'ROS 2 wheels exist for CPython 3.11 and 3.12, neither was found with its venv module; install python3.12 and python3.12-venv, or name one in IGRFT_PYTHON'
}

debian_libraries() { # what rendering and building need and PyPI does not have
  local missing=()
  ldconfig -p | grep -q 'libEGL\.so\.1' || missing+=(libegl1)
  compgen -G '/usr/lib/*/dri/*_dri.so' >/dev/null || missing+=(libgl1-mesa-dri)
  ldconfig -p | grep -q 'libEGL_mesa' || missing+=(libegl-mesa0)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v g++ >/dev/null || missing+=(g++)
  command -v make >/dev/null || missing+=(make)
  [[ ${#missing[@]} -eq 0 ]] && return
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
      die "could not install ${missing[*]}; install them by hand and call ./run again"
  else
    die "missing libraries and tools; install them and call ./run again:  sudo apt-get install ${missing[*]}"
  fi
}

ros_setup=$(find_ros)

if [[ ! -f $venv/.packages_stamp || $(<"$venv/.packages_stamp") != "$PACKAGES_STAMP" ]]; then
  debian_libraries
  if [[ -e $venv/.installing ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    if [[ -n $ros_setup ]]; then
      say "ROS 2 of $ros_setup; the Python packages go to .venv"
      python3 -m venv --clear --system-site-packages "$venv"
    else
      say 'no ROS 2 on this machine: making ROS 2 Jazzy from PyPI wheels in .venv (some minutes, mostly downloads)'
      python=$(find_python)
      "$python" -m venv --clear "$venv"
    fi
  fi
  touch "$venv/.installing"
  requirements=(-r "$here/requirements.txt" -r "$here/requirements-dev.txt")
  [[ -n $ros_setup ]] || requirements+=(-r "$here/requirements-ros.txt")
  say 'installing Python packages'
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -c "$here/constraints.txt" "${requirements[@]}" 2> >(grep -v 'is ignored: it is' >&2)
  printf '%s\n' "$PACKAGES_STAMP" >"$venv/.packages_stamp.new"
  rm -f "$venv/.installing" "$venv/.build_stamp"
  mv "$venv/.packages_stamp.new" "$venv/.packages_stamp"
fi

# The environment below the workspace: a ROS 2 installation, or the wheels in .venv.
base_environment() {
  if [[ -n $ros_setup ]]; then
    echo "source '$ros_setup'"
  else
    local libraries
    libraries=$("$venv/bin/python" -c 'from ros_wheels_bootstrapper import get_ros_paths; print(get_ros_paths())')
    cat <<END
export AMENT_PREFIX_PATH='$venv' CMAKE_PREFIX_PATH='$venv' LD_LIBRARY_PATH='$libraries'
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
export PYTHONPATH='$here/stand_in'
export PATH="$here/bin:\$PATH"
END
  fi
  cat <<END
export VIRTUAL_ENV='$venv'
export PATH="$venv/bin:\$PATH"
END
}

if [[ ! -f $venv/.build_stamp || $(<"$venv/.build_stamp") != "$BUILD_STAMP" || ! -f $venv/.environment.sh ]]; then
  [[ -e $root/build/.building ]] && rm -rf "$root/build" "$root/install" "$root/log"
  mkdir -p "$root/build"
  touch "$root/build/.building" "$root/build/COLCON_IGNORE"
  say 'building the workspace with colcon'
  base_environment >"$venv/.base.sh"
  (
    set +u
    # shellcheck source=/dev/null
    source "$venv/.base.sh"
    cd "$root"
    cmake_arguments=(-DPython3_EXECUTABLE="$venv/bin/python" -DBUILD_TESTING=OFF)
    [[ -n $ros_setup ]] || cmake_arguments+=(-DCMAKE_PROJECT_INCLUDE="$here/drop_builder_includes.cmake")
    python -m colcon --log-level error build --base-paths src --symlink-install --cmake-args "${cmake_arguments[@]}"
  ) || die 'the build failed; the lines above say where'

  # Loading the workspace costs a Python start a package; its result is kept as plain exports.
  env -i HOME="$HOME" PATH=/usr/bin:/bin BASE="$venv/.base.sh" INSTALL="$root/install/local_setup.bash" bash -c '
    source "$BASE"; source "$INSTALL"
    for name in AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PATH VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE \
      ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION; do
      [[ -n ${!name:-} ]] || continue
      value=${!name}
      [[ $name == PATH ]] && value="${value%/usr/bin:/bin}\$PATH"
      printf "export %s=\"%s\"\n" "$name" "$value"
    done' >"$venv/.environment.new"
  cat >>"$venv/.environment.new" <<END
export MUJOCO_GL="\${MUJOCO_GL:-egl}"
export ROS_AUTOMATIC_DISCOVERY_RANGE="\${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
export FASTRTPS_DEFAULT_PROFILES_FILE="\${FASTRTPS_DEFAULT_PROFILES_FILE:-$root/config/fastdds.xml}"
export HF_HUB_OFFLINE="\${HF_HUB_OFFLINE:-1}" PYTHONUNBUFFERED=1
END
  mv "$venv/.environment.new" "$venv/.environment.sh"
  rm -f "$root/build/.building"
  printf '%s\n' "$BUILD_STAMP" >"$venv/.build_stamp.new"
  mv "$venv/.build_stamp.new" "$venv/.build_stamp"
  say 'ready'
fi
