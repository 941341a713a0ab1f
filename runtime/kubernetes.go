//go:build kubernetes

package main

import (
	"os"

	"github.com/dapr/components-contrib/nameresolution/kubernetes"
	secretskubernetes "github.com/dapr/components-contrib/secretstores/kubernetes"
	injector "github.com/dapr/dapr/cmd/injector/app"
	operator "github.com/dapr/dapr/cmd/operator/app"
	placement "github.com/dapr/dapr/cmd/placement/app"
	scheduler "github.com/dapr/dapr/cmd/scheduler/app"
	sentry "github.com/dapr/dapr/cmd/sentry/app"
	"github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/dapr/pkg/components/secretstores"
)

// In a pod the control plane is the official programs, unchanged: what they bind to is the pod's own.
// daprd is the same as outside, and finds apps and secrets through Kubernetes too.
func init() {
	nameresolution.DefaultRegistry.RegisterComponent(kubernetes.NewResolver, add("nameresolution", "kubernetes"))
	secretstores.DefaultRegistry.RegisterComponent(secretskubernetes.NewKubernetesSecretStore, add("secretstores", "kubernetes"))
	for name, run := range map[string]func(){
		"injector":  injector.Run,
		"operator":  operator.Run,
		"placement": placement.Run,
		"scheduler": scheduler.Run,
		"sentry":    sentry.Run,
	} {
		parts[name] = func(args []string) error {
			os.Args = append([]string{name}, args...)
			run()
			return nil
		}
	}
}
