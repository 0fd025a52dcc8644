#!/bin/bash
# usage: node-down.sh [--purge]   stops the node; --purge also removes its state. Idempotent, also after an interrupted node-up.sh.
# One SIGKILL to PID 1 of its pid namespace ends every daemon, shim and pod. Mounts, iptables rules, bridges and the pods'
# network disappear with the namespaces. Cgroup directories, the host's end of the veth and the state folder remain.
set -uo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"

if pid=$(node_pid); then
    kill -9 "$pid"
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
fi
rm -f "$KB/pid" "$KB/ready"
[ -z "$NODE_VETH" ] || ! ip link show "$NODE_VETH" >/dev/null 2>&1 || ip link del "$NODE_VETH"

# A cgroup can be removed once its last process is reaped, which may take a few tenths of a second.
for _ in 1 2 3 4 5; do
    for root in /sys/fs/cgroup/*/"$CGROOT"; do
        [ ! -d "$root" ] || find "$root" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
    compgen -G "/sys/fs/cgroup/*/$CGROOT" >/dev/null || break
    sleep 0.3
done
compgen -G "/sys/fs/cgroup/*/$CGROOT" && echo "these cgroups still contain a process and could not be removed" >&2

# The mount points that node-init.sh created on the host; rmdir removes empty ones only.
rmdir /var/lib/kubelet /var/lib/kube-proxy /var/log/pods /var/log/containers 2>/dev/null
if [ "${1:-}" = --purge ]; then
    rm -rf "$KB"
    for net in "$CLUSTER_CIDR" "$SVC_CIDR" "$NODE_IP/32"; do
        ip route del unreachable "$net" 2>/dev/null
    done
fi
exit 0
