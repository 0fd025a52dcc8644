#!/bin/bash
# Test of the platform: a workflow with an S3 artifact, submitted through the Argo server as its UI does, a RayJob, and
# PostgreSQL.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
k() { "$CLUSTER_SRC/node-exec.sh" kubectl -n argo "$@"; }

wait_for() { # WANTED COMMAND...   until the command's output holds it; two minutes at most
    local wanted=$1
    shift
    for _ in $(seq 240); do
        case "$("$@" 2>/dev/null)" in
            *"$wanted"*) return 0 ;;
            *Failed* | *Error*) break ;;
        esac
        sleep 0.5
    done
    "$@"
    return 1
}

"$CLUSTER_SRC/build-image.sh" smoke:1 "$CLUSTER_SRC/smoke/Dockerfile" "$CLUSTER_SRC/smoke"
k delete rayjob smoke --ignore-not-found >/dev/null
k apply -f "$CLUSTER_SRC/smoke/smoke.yaml" >/dev/null
start=$SECONDS
url=http://$(k get svc argo-server -o jsonpath='{.spec.clusterIP}'):2746/api/v1/workflows/argo
name=$(curl -sf "$url/submit" -d '{"resourceKind":"WorkflowTemplate","resourceName":"smoke","submitOptions":{"labels":"submit-from-ui=true"}}' \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["metadata"]["name"])')
wait_for Succeeded k get workflow "$name" -o jsonpath='{.status.phase}'
echo "ok workflow $name in $((SECONDS - start)) s"
wait_for SUCCEEDED k get rayjob smoke -o jsonpath='{.status.jobStatus}'
echo "ok rayjob in $((SECONDS - start)) s"
PGPASSWORD=$PG_PASSWORD psql -qtA -h "$NODE_IP" -U telecine -d postgres -c "select 'ok postgresql ' || current_setting('server_version')"
