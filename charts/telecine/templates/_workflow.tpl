{{/*
A document of files/, adapted to this release: (list $ document). It is edited in place and printed as YAML.
Only these parts change: labels of the release; images, pull policy and pull secrets; names of service accounts; names
of Secrets in projected volumes; the launcher's variables with Ray's images; node selector, tolerations, affinity,
spread, priority class, labels and annotations of the steps' pods; extra variables and their sources, before ours, and
the CA bundle; schedules, timezone and suspend of a cron. No text is evaluated as a template.
tests/chart/test_workflows.py repeats this list.
*/}}
{{- define "telecine.workflow" -}}
{{- $root := index . 0 -}}
{{- $document := index . 1 -}}
{{- $labels := $document.metadata.labels | default dict -}}
{{- $_ := set $document.metadata "labels" (mergeOverwrite $labels (include "telecine.release" $root | fromYaml)) -}}
{{- $spec := $document.spec -}}
{{- if eq $document.kind "CronWorkflow" -}}
  {{- $cron := index $root.Values.crons $document.metadata.name -}}
  {{- $_ := set $spec "schedules" $cron.schedules -}}
  {{- $_ := set $spec "timezone" $cron.timezone -}}
  {{- $_ := set $spec "suspend" $cron.suspend -}}
  {{- $spec = $spec.workflowSpec -}}
{{- end -}}
{{- include "telecine.accounts" (list $root $spec) -}}
{{- if $spec.templates -}}
  {{- with $root.Values.images.pullSecrets -}}
    {{- $names := list -}}
    {{- range . -}}{{- $names = append $names (dict "name" .) -}}{{- end -}}
    {{- $_ := set $spec "imagePullSecrets" $names -}}
  {{- end -}}
  {{- with $root.Values.steps.nodeSelector -}}{{- $_ := set $spec "nodeSelector" . -}}{{- end -}}
  {{- with $root.Values.steps.tolerations -}}{{- $_ := set $spec "tolerations" . -}}{{- end -}}
  {{- with $root.Values.steps.affinity -}}{{- $_ := set $spec "affinity" . -}}{{- end -}}
  {{- with $root.Values.steps.topologySpreadConstraints -}}
    {{- /* A Workflow has no field for it. */ -}}
    {{- $_ := set $spec "podSpecPatch" (dict "topologySpreadConstraints" . | toJson) -}}
  {{- end -}}
  {{- $metadata := dict -}}
  {{- with $root.Values.podLabels -}}{{- $_ := set $metadata "labels" . -}}{{- end -}}
  {{- with $root.Values.podAnnotations -}}{{- $_ := set $metadata "annotations" . -}}{{- end -}}
  {{- with $metadata -}}{{- $_ := set $spec "podMetadata" . -}}{{- end -}}
  {{- with $root.Values.priorityClass.name -}}{{- $_ := set $spec "podPriorityClassName" . -}}{{- end -}}
  {{- range $template := prepend $spec.templates ($spec.templateDefaults | default dict) -}}
    {{- $ca := list -}}
    {{- include "telecine.accounts" (list $root $template) -}}
    {{- range $template.volumes -}}
      {{- range (.projected | default dict).sources -}}
        {{- with .secret -}}{{- include "telecine.secretName" (list $root .) -}}{{- end -}}
      {{- end -}}
    {{- end -}}
    {{- $containers := list -}}
    {{- with $template.container -}}{{- $containers = append $containers . -}}{{- end -}}
    {{- with $template.script -}}{{- $containers = append $containers . -}}{{- end -}}
    {{- $containers = concat $containers ($template.initContainers | default list) ($template.sidecars | default list) -}}
    {{- $containers = concat $containers (($template.containerSet | default dict).containers | default list) -}}
    {{- range $containers -}}{{- include "telecine.container" (list $root .) -}}{{- end -}}
    {{- if $containers -}}
      {{- with include "telecine.caVolume" $root -}}{{- $ca = append $ca (fromJson .) -}}{{- end -}}
      {{- with $ca -}}{{- $_ := set $template "volumes" (concat ($template.volumes | default list) .) -}}{{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $document -}}
{{- end -}}

{{/* Renames service accounts in a spec or a template according to the values. */}}
{{- define "telecine.accounts" -}}
{{- $root := index . 0 -}}
{{- range (list (index . 1) ((index . 1).executor | default dict)) -}}
  {{- with .serviceAccountName -}}
    {{- if not (has . (list "telecine-step" "telecine-upload" "telecine-trakt" "telecine-launcher")) -}}{{- fail (printf "files/: unknown service account %s; expected telecine-step, telecine-upload, telecine-trakt or telecine-launcher" .) -}}{{- end -}}
  {{- end -}}
  {{- if .serviceAccountName -}}
    {{- $_ := set . "serviceAccountName" (include "telecine.account" (list $root (trimPrefix "telecine-" .serviceAccountName))) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "telecine.container" -}}
{{- $root := index . 0 -}}
{{- $container := index . 1 -}}
{{- $images := dict "telecine-jobs:0" "jobs" "telecine-ray:0" "ray" -}}
{{- if $container.image -}}
  {{- if not (hasKey $images $container.image) -}}{{- fail (printf "files/: unknown image %s; expected telecine-jobs:0 or telecine-ray:0" $container.image) -}}{{- end -}}
  {{- $_ := set $container "image" (include "telecine.image" (list $root (index $images $container.image))) -}}
  {{- $_ := set $container "imagePullPolicy" $root.Values.images.pullPolicy -}}
{{- end -}}
{{- range $container.envFrom -}}
  {{- if .secretRef -}}{{- fail (printf "files/: Secret %s is in envFrom; expected a source of the volume secrets" .secretRef.name) -}}{{- end -}}
  {{- if eq ((.configMapRef | default dict).name | default "") "telecine-ray" -}}
    {{- /* Not in a ConfigMap: a running workflow keeps launcher and Ray pods of the same version during an upgrade. */ -}}
    {{- $image := dict "name" "TELECINE_RAY_IMAGE" "value" (include "telecine.image" (list $root "ray")) -}}
    {{- $gpu := dict "name" "TELECINE_RAY_GPU_IMAGE" "value" (include "telecine.image" (list $root "rayGpu")) -}}
    {{- $_ := set $container "env" (concat ($container.env | default list) (list $image $gpu)) -}}
  {{- end -}}
{{- end -}}
{{- range $container.env -}}
  {{- if (.valueFrom | default dict).secretKeyRef -}}{{- fail (printf "files/: variable %s is from a Secret; expected a source of the volume secrets" .name) -}}{{- end -}}
{{- end -}}
{{- /* Before ours, which take precedence. */ -}}
{{- with include "telecine.extraEnv" $root | fromJsonArray -}}
  {{- $_ := set $container "env" (concat . ($container.env | default list)) -}}
{{- end -}}
{{- with $root.Values.extraEnvFrom -}}
  {{- $_ := set $container "envFrom" (concat . ($container.envFrom | default list)) -}}
{{- end -}}
{{- with include "telecine.caMount" $root -}}
  {{- $_ := set $container "volumeMounts" (append ($container.volumeMounts | default list) (fromJson .)) -}}
{{- end -}}
{{- end -}}

{{/* Replaces the name of one of our Secrets by the existing one from the values. */}}
{{- define "telecine.secretName" -}}
{{- $root := index . 0 -}}
{{- $reference := index . 1 -}}
{{- $key := trimPrefix "telecine-" $reference.name -}}
{{- if eq $reference.name "telecine-ray-auth" -}}
  {{- $_ := set $reference "name" (include "telecine.raySecret" $root) -}}
{{- else if eq $reference.name "telecine-viewership" -}}
  {{- $_ := set $reference "name" (include "telecine.viewershipSecret" $root) -}}
{{- else if eq $reference.name "telecine-trakt-users" -}}
  {{- $_ := set $reference "name" ($root.Values.trakt.users.existingSecret | default "telecine-trakt-users") -}}
{{- else if and (hasPrefix "telecine-" $reference.name) (hasKey (index $root.Values $key | default dict) "existingSecret") -}}
  {{- $_ := set $reference "name" (include "telecine.secret" (list $root $key)) -}}
{{- end -}}
{{- end -}}
