package main

import (
	"context"

	"github.com/dapr/dapr/cmd/placement/options"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/placement"
	"github.com/dapr/dapr/pkg/placement/monitoring"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
)

// runPlacement serves the table that says which sidecar hosts which actor, until a signal comes.
func runPlacement(args []string) error {
	opts, err := options.New(args)
	if err != nil {
		return err
	}
	if err = logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		return err
	}
	if err = monitoring.InitMetrics(); err != nil {
		return err
	}

	ctx := signals.Context()
	targets := healthz.New()
	identity, err := security.New(ctx, security.Options{
		AppID:                   "dapr-placement",
		Mode:                    modes.DaprMode(opts.Mode),
		MTLSEnabled:             opts.TLSEnabled,
		SentryAddress:           opts.SentryAddress,
		TrustAnchorsFile:        &opts.TrustAnchorsFile,
		ControlPlaneTrustDomain: opts.TrustDomain,
		ControlPlaneNamespace:   security.CurrentNamespace(),
		Healthz:                 targets,
	})
	if err != nil {
		return err
	}
	exporter := metrics.New(metrics.Options{
		Log:           logger.NewLogger("dapr.placement"),
		Namespace:     metrics.DefaultMetricNamespace,
		Enabled:       opts.Metrics.Enabled(),
		Port:          opts.Metrics.Port(),
		ListenAddress: opts.PlacementListenAddress,
		Healthz:       targets,
	})
	serve := func(ctx context.Context) error {
		handler, err := identity.Handler(ctx)
		if err != nil {
			return err
		}
		service, err := placement.New(placement.Options{
			NodeID:                    opts.RaftID,
			Peers:                     opts.RaftPeers,
			Port:                      opts.PlacementPort,
			ListenAddress:             opts.PlacementListenAddress,
			ReplicationFactor:         int64(opts.ReplicationFactor),
			KeepAliveTime:             opts.KeepAliveTime,
			KeepAliveTimeout:          opts.KeepAliveTimeout,
			DisseminateTimeout:        opts.DisseminateTimeout,
			DisseminateCoalesceWindow: opts.DisseminateCoalesceWindow,
			Security:                  handler,
			Healthz:                   targets,
		})
		if err != nil {
			return err
		}
		return service.Run(ctx)
	}
	health := healthEndpoint(opts.HealthzListenAddress, opts.HealthzPort, targets)
	return concurrency.NewRunnerManager(identity.Run, exporter.Start, health, serve).Run(ctx)
}
