{{/* Labels: (list $ "component"). */}}
{{- define "dev.labels" -}}
{{- $root := index . 0 -}}
{{ include "dev.selector" . }}
app.kubernetes.io/part-of: telecine-dev
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "dev.selector" -}}
app.kubernetes.io/name: telecine-dev
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "dev.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "dev.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "dev.service" -}}
{{- $root := index . 0 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ index . 1 }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "dev.labels" (list $root (index . 1)) | nindent 4 }}
spec:
  selector: {{- include "dev.selector" (list $root (index . 1)) | nindent 4 }}
  ports:
    - name: {{ index . 2 }}
      port: {{ index . 3 }}
      targetPort: {{ index . 2 }}
{{- end -}}
