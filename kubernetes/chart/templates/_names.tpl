{{- define "onceproof.account" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- define "onceproof.labels" -}}
app.kubernetes.io/name: onceproof
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "onceproof.selector" -}}
app.kubernetes.io/name: onceproof
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Of objects that no namespace holds, which two releases of one name must not share. */}}
{{- define "onceproof.wide" -}}
{{ printf "%s-%s" .Release.Namespace .Release.Name }}
{{- end }}

{{- define "onceproof.claim" -}}
{{- if .Values.results.existingClaim }}{{ .Values.results.existingClaim }}
{{- else if .Values.results.claim.enabled }}{{ .Release.Name }}-runs
{{- end }}
{{- end }}
