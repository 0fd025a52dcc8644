#!/bin/bash
# Write the configuration of containerd, CNI, kubelet, kube-proxy and the registry to $KB/etc.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
mkdir -p "$KB/etc/cni"

# restrict_oom_score_adj, and oomScoreAdj: 0 below: without CAP_SYS_RESOURCE, root cannot lower the score (EACCES), and
# containers fail with "can't get final child's PID from pipe: EOF".
cat >"$KB/etc/containerd.toml" <<Y
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  max_container_log_line_size = 262144
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_BIN"
    conf_dir = "$KB/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    discard_unpacked_layers = false
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
Y

cat >"$KB/etc/cni/10-bridge.conflist" <<Y
{ "cniVersion": "1.0.0", "name": "podnet", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "isDefaultGateway": true, "ipMasq": false,
    "hairpinMode": true, "mtu": 1500,
    "ipam": { "type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": "$POD_CIDR"}]] } },
  { "type": "portmap", "capabilities": {"portMappings": true}, "snat": true } ] }
Y

printf 'nameserver %s\n' "$DNS_IP" >"$KB/etc/resolv.conf"

# cpuCFSQuota: on two cores, a Ray head throttled to a quarter of a core takes a minute to start instead of ten seconds.
# Requests still control scheduling and the shares of the cores.
# failCgroupV1 and cgroupRoot: the root must exist in every controller, with cpuset filled (node-init.sh).
cat >"$KB/etc/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
address: $NODE_IP
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROOT
cgroupsPerQOS: true
enforceNodeAllocatable: [pods]
cpuCFSQuota: false
failCgroupV1: false
failSwapOn: false
protectKernelDefaults: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $KB/etc/resolv.conf
serializeImagePulls: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 200Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}
maxPods: 100
nodeStatusUpdateFrequency: 10s
syncFrequency: 10s
fileCheckFrequency: 20s
rotateCertificates: false
containerLogMaxSize: 20Mi
oomScoreAdj: 0
logging: {flushFrequency: 1s}
Y

# conntrack's maximum is not writable inside a network namespace; zeros leave it unchanged.
cat >"$KB/etc/proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: $PROXY_MODE
clusterCIDR: $CLUSTER_CIDR
hostnameOverride: $NODE
clientConnection: {kubeconfig: $KC/proxy.conf}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
bindAddress: $NODE_IP
oomScoreAdj: 0
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
iptables: {minSyncPeriod: 0s, syncPeriod: 30s, localhostNodePorts: false}
Y

cat >"$KB/etc/registry.yml" <<Y
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $KB/registry}, delete: {enabled: true}}
http: {addr: "0.0.0.0:5000"}
Y
