// Command onceproof-kube is a Kubernetes cluster of one node in one binary, for onceproof cluster.
//
// The first argument names the part, the others are that part's own flags, unchanged. The parts are
// Kubernetes' own programs and CoreDNS at the versions in go.mod; keys.go and chart.go are ours.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/component-base/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

var others = map[string]func(args []string) error{
	"chart":   renderChart,
	"coredns": serveNames,
	"keys":    writeKeys,
	"version": printVersion,
}

func main() {
	if len(os.Args) < 2 || (programs[os.Args[1]] == nil && others[os.Args[1]] == nil) {
		fmt.Fprintf(os.Stderr, "usage: onceproof-kube {%s} [flags of that part]\n", strings.Join(names(), "|"))
		os.Exit(2)
	}
	part := os.Args[1]
	os.Args = os.Args[1:]
	if program := programs[part]; program != nil {
		os.Exit(cli.Run(program()))
	}
	if err := others[part](os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", part, err)
		os.Exit(1)
	}
}

func names() []string {
	var known []string
	for name := range programs {
		known = append(known, name)
	}
	for name := range others {
		known = append(known, name)
	}
	sort.Strings(known)
	return known
}

func printVersion([]string) error {
	fmt.Println(strings.TrimPrefix(version.Get().GitVersion, "v"))
	return nil
}
