package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/dapr/dapr/pkg/healthz"
)

// healthEndpoint answers GET /healthz on address:port: 200 when every target is ready, else 503.
//
// Dapr 1.18.2's own server parses --healthz-listen-address and then binds to every address; a machine
// that runs a load test must not be reachable from outside, so this one binds where it is told.
func healthEndpoint(address string, port int, targets healthz.Healthz) func(context.Context) error {
	return func(ctx context.Context) error {
		if address == "" {
			address = "127.0.0.1"
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		server := &http.Server{
			ReadHeaderTimeout: 5 * time.Second,
			Handler: http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
				switch {
				case request.URL.Path != "/healthz":
					answer.WriteHeader(http.StatusNotFound)
				case targets.IsReady():
					answer.WriteHeader(http.StatusOK)
				default:
					answer.WriteHeader(http.StatusServiceUnavailable)
				}
			}),
		}
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(listener) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := server.Shutdown(deadline); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil
	}
}
