#!/bin/bash
# On a running node: push the platform's images, install Argo Workflows and KubeRay, wait until both are ready. Idempotent.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
k() { "$CLUSTER_SRC/node-exec.sh" kubectl "$@"; }
work=$KB/platform

manifests() { # FAMILY MODULE FOLDER PLACE   copies the manifests that lie in a module
    local source
    source=$(cd "$CLUSTER_SRC/go/$1" && { go mod download 2>/dev/null || true; } && go list -m -f '{{.Dir}}' "$2")
    mkdir -p "$work/$4"
    cp -r "$source/$3" "$work/$4/"
    chmod -R u+w "$work/$4"
}

for image in "workflow-controller:$ARGO_VERSION" "argoexec:$ARGO_VERSION" "argocli:$ARGO_VERSION" "kuberay:$KUBERAY_VERSION"; do
    push_ "$image"
done
python3 "$CLUSTER_SRC/make_bucket.py" argo-artifacts

rm -rf "$work"
manifests argo github.com/argoproj/argo-workflows/v4 manifests argo
manifests ray github.com/ray-project/kuberay/ray-operator config kuberay

# The full CRDs validate on `apply`. Argo requeues every 10 s by default; 1 s halves the time of a short DAG.
# No leader election for a single controller: on a busy machine it could not renew its lease within 10 s and exited,
# losing its counters.
cat >"$work/argo/kustomization.yaml" <<Y
namespace: argo
resources: [manifests/base/crds/full, manifests/cluster-install-no-crds]
images:
- {name: quay.io/argoproj/workflow-controller, newName: $REGISTRY/workflow-controller, digest: "$(digest_ "workflow-controller:$ARGO_VERSION")"}
- {name: quay.io/argoproj/argocli, newName: $REGISTRY/argocli, digest: "$(digest_ "argocli:$ARGO_VERSION")"}
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: workflow-controller}
    spec: {template: {spec: {containers: [{name: workflow-controller, args: [--executor-image, "$REGISTRY/argoexec@$(digest_ "argoexec:$ARGO_VERSION")"],
      env: [{name: DEFAULT_REQUEUE_TIME, value: 1s}, {name: LEADER_ELECTION_DISABLE, value: "true"}]}]}}}
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: argo-server}
    spec: {template: {spec: {containers: [{name: argo-server, args: [server, --auth-mode=server, --secure=false],
      readinessProbe: {httpGet: {scheme: HTTP, path: /, port: 2746}, initialDelaySeconds: 1, periodSeconds: 2}}]}}}
Y
cat >"$work/kuberay/kustomization.yaml" <<Y
resources: [config/default]
images: [{name: quay.io/kuberay/operator, newName: $REGISTRY/kuberay, digest: "$(digest_ "kuberay:$KUBERAY_VERSION")"}]
patches:
- target: {kind: Deployment, name: kuberay-operator}
  patch: |
    [{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["/bin/ray-operator"]},
     {"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/cpu", "value": "1"}]
Y

k create namespace argo --dry-run=client -o yaml | k apply -f - >/dev/null
for part in argo kuberay; do
    k kustomize "$work/$part" >"$work/$part.yaml"
    k apply --server-side --force-conflicts -f "$work/$part.yaml" >/dev/null
done
sed "s#@NODE_IP@#$NODE_IP#; s#@S3_ACCESS_KEY@#$S3_ACCESS_KEY#; s#@S3_SECRET_KEY@#$S3_SECRET_KEY#" "$CLUSTER_SRC/platform/artifacts.yaml" \
    | k apply -f - >/dev/null
k -n argo rollout status deploy/workflow-controller deploy/argo-server --timeout=120s >/dev/null
k rollout status deploy/kuberay-operator --timeout=120s >/dev/null
echo "argo $ARGO_VERSION at http://$(k -n argo get svc argo-server -o jsonpath='{.spec.clusterIP}'):2746, kuberay $KUBERAY_VERSION"
