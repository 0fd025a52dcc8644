#!/bin/bash
# usage: node-up.sh [SECONDS]   starts the node in separate namespaces and waits until it is Ready. Default: 180 s.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
limit=${1:-180}

! pid=$(node_pid) || { echo "the node is already running, pid $pid" >&2; exit 1; }
[ -d /sys/fs/cgroup/memory ] || { echo "the test cluster needs cgroup v1, one folder per controller under /sys/fs/cgroup" >&2; exit 3; }
for net in "$CLUSTER_CIDR" "$SVC_CIDR" "$NODE_IP/32"; do
    if ip route show "$net" | grep -qv unreachable; then
        echo "$net is already routed on this machine; set NODE_IP, CLUSTER_CIDR and SVC_CIDR to free ranges" >&2
        exit 3
    fi
    # Kept, behind the veth's routes, until node-down.sh --purge, so that a late client never sends packets off the machine.
    ip route replace unreachable "$net" metric 9999
done

mkdir -p "$KB/images" "$LOGS"
rm -f "$KB/ready" "$KB/pid"
# If interrupted or failed, nothing is left behind.
trap '[ -e "$KB/ready" ] || "$CLUSTER_SRC/node-down.sh"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$CLUSTER_SRC/certs.sh"
"$CLUSTER_SRC/config.sh"

start=$(date +%s%N)
setsid unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc \
    nice -n "$KNICE" "$CLUSTER_SRC/node-init.sh" >"$LOGS/init.log" 2>&1 </dev/null &
unshared=$!
pid=
for _ in $(seq 100); do
    pid=$(tr -d ' ' 2>/dev/null <"/proc/$unshared/task/$unshared/children" || true)
    [ -z "$pid" ] || break
    sleep 0.05
done
[ -n "$pid" ] || { echo "the node did not start:" >&2; cat "$LOGS/init.log" >&2; exit 1; }
echo "$pid" >"$KB/pid"

if [ -n "$NODE_VETH" ]; then
    # A dedicated link between host and node, also for pods and Services: without these routes, the host would answer a pod
    # through its default route and send the pods' addresses off the machine. The routes disappear with the veth.
    ip link add "$NODE_VETH" type veth peer name host0 netns "$pid"
    ip addr add "$HOST_IP/30" dev "$NODE_VETH"
    ip link set "$NODE_VETH" up
    nsenter -t "$pid" -n sh -c "ip addr add $NODE_VETH_IP/30 dev host0; ip link set host0 up"
    for net in "$CLUSTER_CIDR" "$SVC_CIDR" "$NODE_IP/32"; do
        ip route add "$net" via "$NODE_VETH_IP"
    done
fi

for _ in $(seq $((limit * 10))); do
    [ ! -e "$KB/ready" ] || break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
[ -e "$KB/ready" ] || { echo "the node is not ready; the end of $LOGS/init.log:" >&2; tail -5 "$LOGS/init.log" >&2; exit 1; }
elapsed=$((($(date +%s%N) - start) / 100000000))
echo "node ready after $((elapsed / 10)).$((elapsed % 10)) s, pid $pid"
