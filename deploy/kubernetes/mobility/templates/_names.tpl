{{- define "mobility.name" -}}
{{- if contains "mobility" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-mobility{{ end -}}
{{- end }}

{{- /* Takes (dict "root" $ "target" name). */ -}}
{{- define "mobility.workloadName" -}}
{{ include "mobility.name" .root }}-{{ .target }}
{{- end }}

{{- define "mobility.commonLabels" -}}
app.kubernetes.io/name: mobility
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What selects the pods of one target; it never changes. */ -}}
{{- define "mobility.selector" -}}
app.kubernetes.io/name: mobility
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .target }}
{{- end }}

{{- define "mobility.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Every module but itself, by the name of its service: where calls to other processes go. */ -}}
{{- define "mobility.peers" -}}
{{- $peers := list -}}
{{- range $name, $_ := .root.Values.targets -}}
{{- if ne $name $.target -}}
{{- $peers = append $peers (printf "%s=http://%s:8081" $name (include "mobility.workloadName" (dict "root" $.root "target" $name))) -}}
{{- end -}}
{{- end -}}
{{ join "," $peers }}
{{- end }}

{{- define "mobility.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "mobility.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /* Keys as files, only those that this workload needs. Takes (dict "root" $ "files" list). */ -}}
{{- define "mobility.keysVolume" -}}
name: keys
secret:
  secretName: {{ .root.Values.secrets.keys }}
  defaultMode: 0440
  items:
    {{- range .files }}
    - { key: {{ . }}, path: {{ . }} }
    {{- end }}
{{- end }}
