# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# colcon, and the environment of the built workspace as a file of plain exports. Sourced by setup.sh.

told='VIRTUAL_ENV ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE'

underlay() { # the environment below the workspace, as shell commands
  if [[ -n $ros_setup ]]; then
    echo "source '$ros_setup'"
  elif [[ -z $ros ]]; then
    local libraries
    libraries=$("$venv/bin/python" -c 'from ros_wheels_bootstrapper import get_ros_paths; print(get_ros_paths())')
    # Without the last one a .pth file of the wheels starts every Python twice, to set the library path that is set here.
    cat <<END
export AMENT_PREFIX_PATH='$venv' CMAKE_PREFIX_PATH='$venv' LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export PYTHONPATH='$here/stand_in'\${PYTHONPATH:+:\$PYTHONPATH} PATH='$here/bin':"\$PATH"
export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
END
  fi
  echo "export VIRTUAL_ENV='$venv' PATH='$venv/bin':\"\$PATH\""
}

colcon_build() {
  set +u
  # shellcheck source=/dev/null
  source "$venv/.underlay.sh"
  cd "$root"
  local arguments=(-DPython3_EXECUTABLE="$venv/bin/python" -DBUILD_TESTING=OFF)
  [[ -n $ros ]] || arguments+=(-DCMAKE_PROJECT_INCLUDE="$here/wheels.cmake")
  local paths=(src) package
  # What the wheels lack; an installed package of that name always wins.
  for package in "$here"/interfaces/*/; do
    package=$(basename "$package")
    [[ -n $ros || -e $venv/share/ament_index/resource_index/packages/$package ]] || paths+=("tools/pip_ros/interfaces/$package")
  done
  exec python -m colcon --log-level error build --base-paths "${paths[@]}" --symlink-install --cmake-args "${arguments[@]}"
}

sweep() { # what --symlink-install leaves behind: links to files that are gone, executables of nodes that are gone
  local executable package
  find "$root/install" -xtype l -delete
  for executable in "$root"/install/*/lib/*/*_node; do
    package=$(basename "$(dirname "$executable")")
    [[ -f $root/src/$package/$package/nodes/${executable##*/}.py ]] || rm -f "$executable"
  done
}

snapshot() { # loading the workspace costs Python starts; this prints its result, which ./run sources
  local name outer=()
  for name in $searched; do
    [[ -n ${!name:-} ]] && outer+=("$name=${!name}")
  done
  env -i HOME="$HOME" ${ROS_DISTRO:+ROS_DISTRO="$ROS_DISTRO"} "${outer[@]}" SEARCHED="$searched" TOLD="$told" bash -c '
    for name in $SEARCHED; do declare "outer_$name=${!name:-}"; done
    source "$1" && source "$2" || exit
    for name in $SEARCHED; do
      before=outer_$name value=${!name:-}
      [[ -n ${!before} ]] && value=${value%"${!before}"} && value=${value%:}
      [[ -z $value ]] || printf "export %s=\"%s\${%s:+:\$%s}\"\n" "$name" "$value" "$name" "$name"
    done
    for name in $TOLD; do [[ -z ${!name:-} ]] || printf "export %s=\"%s\"\n" "$name" "${!name}"; done
  ' - "$venv/.underlay.sh" "$root/install/local_setup.bash" || die 'the built workspace could not be loaded'
  cat <<END
export IGRFT_ENVIRONMENT="$venv" PYTHONUNBUFFERED=1
export MUJOCO_GL="\${MUJOCO_GL:-egl}"
export ROS_AUTOMATIC_DISCOVERY_RANGE="\${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
export FASTRTPS_DEFAULT_PROFILES_FILE="\${FASTRTPS_DEFAULT_PROFILES_FILE:-$root/config/fastdds.xml}" # Jazzy's name
export FASTDDS_DEFAULT_PROFILES_FILE="\${FASTDDS_DEFAULT_PROFILES_FILE:-$root/config/fastdds.xml}" # the name from Kilted on
export HF_HUB_OFFLINE="\${HF_HUB_OFFLINE:-1}"
END
}

build_workspace() {
  local started=$SECONDS status=0
  # Cut off in the middle, generated files may be half-written: begin anew. A build that failed by itself is continued.
  [[ ! -e $root/build/.building ]] || rm -rf "$root/build" "$root/install" "$root/log"
  mkdir -p "$root/build"
  touch "$root/build/.building" "$root/build/COLCON_IGNORE"
  rm -f "$venv/.build_stamp"
  say 'building the workspace'
  underlay | write "$venv/.underlay.sh"
  (colcon_build) || status=$?
  [[ $status -lt 128 ]] || exit "$status"
  rm -f "$root/build/.building"
  [[ $status -eq 0 ]] || die 'the build failed; the lines above say where'
  sweep
  snapshot | write "$venv/.environment.sh"
  write "$venv/.build_stamp" <<<"$build"
  say "workspace built in $((SECONDS - started)) s"
}
