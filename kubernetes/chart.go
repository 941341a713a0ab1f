package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// renderChart writes what `helm install` would send: FOLDER/crds.yaml, to be applied first, and
// FOLDER/objects.yaml.
func renderChart(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("expected CHART RELEASE NAMESPACE VALUES FOLDER, got %d arguments", len(args))
	}
	chart, err := loader.LoadDir(args[0])
	if err != nil {
		return err
	}
	values, err := chartutil.ReadValuesFile(args[3])
	if err != nil {
		return err
	}
	if err = chartutil.ProcessDependenciesWithMerge(chart, values); err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: args[1], Namespace: args[2], IsInstall: true, Revision: 1}
	given, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(chart, given)
	if err != nil {
		return err
	}
	var definitions, objects []string
	for _, definition := range chart.CRDObjects() {
		definitions = append(definitions, string(definition.File.Data))
	}
	for name, text := range rendered {
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(text) != "" {
			objects = append(objects, "# Source: "+name+"\n"+text)
		}
	}
	sort.Strings(objects)
	if err = writeDocuments(filepath.Join(args[4], "crds.yaml"), definitions); err != nil {
		return err
	}
	return writeDocuments(filepath.Join(args[4], "objects.yaml"), objects)
}

func writeDocuments(file string, documents []string) error {
	return os.WriteFile(file, []byte(strings.Join(documents, "\n---\n")+"\n"), 0o644)
}
