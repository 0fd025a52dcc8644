#!/bin/bash
# Set up everything: packages, binaries, images, node, Argo Workflows, KubeRay. Idempotent.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
"$CLUSTER_SRC/check.sh"
"$CLUSTER_SRC/apt.sh"
"$CLUSTER_SRC/build.sh"
"$CLUSTER_SRC/images.sh"
node_pid >/dev/null || "$CLUSTER_SRC/node-up.sh"
"$CLUSTER_SRC/platform-up.sh"
