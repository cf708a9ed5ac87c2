# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the environment and the build depend on. `root` is the workspace. Sourced by ./run (hot path) and setup.sh, which
# writes a stamp only after the work it stands for, so whatever was interrupted is done again.

distros='jazzy kilted lyrical'
searched='AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PATH'

foreign() { # the entries of a search path that are not this workspace's own
  local entry kept=
  local -a entries
  IFS=: read -ra entries <<<"$1"
  for entry in ${entries[@]+"${entries[@]}"}; do
    [[ -z $entry || $entry == "$root"/* ]] || kept+=${kept:+:}$entry
  done
  printf '%s' "$kept"
}

installed_ros() { # the setup file of a ROS 2 below /opt/ros, or nothing
  local distro
  for distro in $distros; do
    [[ -f /opt/ros/$distro/setup.bash ]] && { printf '%s' "/opt/ros/$distro/setup.bash"; return; }
  done
  return 0
}

built() { [[ -f $root/.venv/.environment.sh && -f $root/install/local_setup.bash && -d $root/build ]]; }

packages_stamp() { # the lists of packages, the place (a venv cannot be moved), the ROS 2 below
  (cd "$root/tools/pip_ros" && cksum requirements*.txt constraints.txt packages.sh)
  printf '%s\n' "$root" "${IGRFT_OUTER_ROS:-$(installed_ros)}"
}

build_stamp() { # Python, launch and config files are linked: of those only the names count, of the rest the contents
  cd "$root" || return
  find src tools/pip_ros \( -name package.xml -o -name 'setup.*' -o -name CMakeLists.txt -o -name '*.msg' -o -name '*.srv' -o -name '*.action' \
    -o -name workspace.sh -o -name '*.cmake' \) -not -path '*/.*' -printf '%p %T@ %s\n' | LC_ALL=C sort
  find launch config src/*/*/nodes src/*/*/models src/*/*/weights src/*/bin -type f -not -path '*/.*' -not -path '*/__pycache__/*' -printf '%p\n' \
    2>/dev/null | LC_ALL=C sort || true
}
