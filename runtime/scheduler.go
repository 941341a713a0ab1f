package main

import (
	"context"

	"github.com/dapr/dapr/cmd/scheduler/options"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/scheduler/monitoring"
	"github.com/dapr/dapr/pkg/scheduler/server"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
)

// runScheduler keeps reminders and jobs in its etcd and triggers them, until a signal comes.
// Standalone mode only: the Kubernetes controller of the official binary is left out.
func runScheduler(args []string) error {
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
		AppID:                   "dapr-scheduler",
		Mode:                    modes.StandaloneMode,
		MTLSEnabled:             opts.TLSEnabled,
		SentryAddress:           opts.SentryAddress,
		TrustAnchorsFile:        opts.TrustAnchorsFile,
		ControlPlaneTrustDomain: opts.TrustDomain,
		ControlPlaneNamespace:   security.CurrentNamespace(),
		WriteIdentityToFile:     &opts.IdentityDirectoryWrite,
		Healthz:                 targets,
	})
	if err != nil {
		return err
	}
	exporter := metrics.New(metrics.Options{
		Log:           logger.NewLogger("dapr.scheduler"),
		Namespace:     metrics.DefaultMetricNamespace,
		Enabled:       opts.Metrics.Enabled(),
		Port:          opts.Metrics.Port(),
		ListenAddress: opts.ListenAddress,
		Healthz:       targets,
	})
	serve := func(ctx context.Context) error {
		handler, err := identity.Handler(ctx)
		if err != nil {
			return err
		}
		// The server ends when the membership of the cluster changes, and is then made anew.
		for ctx.Err() == nil {
			service, err := server.New(ctx, schedulerOptions(opts, handler, targets))
			if err != nil {
				return err
			}
			if err = service.Run(ctx); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	health := healthEndpoint(opts.HealthzListenAddress, opts.HealthzPort, targets)
	return concurrency.NewRunnerManager(identity.Run, exporter.Start, health, serve).Run(ctx)
}

func schedulerOptions(opts *options.Options, handler security.Handler, targets healthz.Healthz) server.Options {
	return server.Options{
		Port:                           opts.Port,
		ListenAddress:                  opts.ListenAddress,
		OverrideBroadcastHostPort:      opts.OverrideBroadcastHostPort,
		Mode:                           modes.StandaloneMode,
		Security:                       handler,
		Healthz:                        targets,
		Workers:                        opts.Workers,
		EtcdEmbed:                      opts.EtcdEmbed,
		EtcdName:                       opts.ID,
		EtcdDataDir:                    opts.EtcdDataDir,
		EtcdInitialCluster:             opts.EtcdInitialCluster,
		EtcdClientPort:                 opts.EtcdClientPort,
		EtcdClientListenAddress:        opts.EtcdClientListenAddress,
		EtcdClientEndpoints:            opts.EtcdClientEndpoints,
		EtcdClientUsername:             opts.EtcdClientUsername,
		EtcdClientPassword:             opts.EtcdClientPassword,
		EtcdSpaceQuota:                 opts.EtcdSpaceQuota,
		EtcdCompactionMode:             opts.EtcdCompactionMode,
		EtcdCompactionRetention:        opts.EtcdCompactionRetention,
		EtcdSnapshotCount:              opts.EtcdSnapshotCount,
		EtcdMaxSnapshots:               opts.EtcdMaxSnapshots,
		EtcdMaxWALs:                    opts.EtcdMaxWALs,
		EtcdBackendBatchLimit:          opts.EtcdBackendBatchLimit,
		EtcdBackendBatchInterval:       opts.EtcdBackendBatchInterval,
		EtcdMaxTxnOps:                  opts.EtcdMaxTxnOps,
		EtcdDefragThresholdMB:          opts.EtcdDefragThresholdMB,
		EtcdInitialElectionTickAdvance: opts.EtcdInitialElectionTickAdvance,
		EtcdMetrics:                    opts.EtcdMetrics,
	}
}
