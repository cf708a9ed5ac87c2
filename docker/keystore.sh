#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make an SROS2 keystore with one enclave, /igrft, for every node of the graph: docker/keystore.sh [FOLDER]
# Needs ros2 security (ros-jazzy-sros2). With the image's, into IGRFT_DATA, so that IGRFT_KEYSTORE=~/igrft_data/keystore:
# docker compose -f docker/compose.yaml run --rm --entrypoint docker/keystore.sh sim /home/igrft/igrft_data/keystore
set -euo pipefail
keystore=${1:-$HOME/igrft_keystore}
command -v ros2 >/dev/null || { [[ -f /opt/ros/jazzy/setup.bash ]] && set +u && source /opt/ros/jazzy/setup.bash && set -u; }
if [[ -e $keystore ]]; then
  echo "error: $keystore exists; a new one would lock out every node that has the old one. Move it away first." >&2
  exit 1
fi
umask 077
ros2 security create_keystore "$keystore"
ros2 security create_enclave "$keystore" /igrft
echo "keystore: $keystore; copy it to every machine of the graph, keep private/ where it is"
