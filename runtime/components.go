package main

import (
	"fmt"

	"github.com/dapr/components-contrib/configuration/redis"
	"github.com/dapr/components-contrib/conversation/openai"
	resolversqlite "github.com/dapr/components-contrib/nameresolution/sqlite"
	pubsubmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	"github.com/dapr/components-contrib/pubsub/jetstream"
	"github.com/dapr/components-contrib/pubsub/kafka"
	"github.com/dapr/components-contrib/pubsub/rabbitmq"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	statememory "github.com/dapr/components-contrib/state/in-memory"
	postgresql "github.com/dapr/components-contrib/state/postgresql/v2"
	stateredis "github.com/dapr/components-contrib/state/redis"
	statesqlite "github.com/dapr/components-contrib/state/sqlite"
	"github.com/dapr/dapr/pkg/buildinfo"
	"github.com/dapr/dapr/pkg/components"
	"github.com/dapr/dapr/pkg/components/configuration"
	"github.com/dapr/dapr/pkg/components/conversation"
	"github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/dapr/pkg/components/pubsub"
	"github.com/dapr/dapr/pkg/components/state"
)

// registered is what `components` prints and environment.json quotes; init keeps it true.
var registered []string

func add(kind string, name string) string {
	registered = append(registered, kind+"."+name)
	return name
}

func init() {
	state.DefaultRegistry.RegisterComponent(statesqlite.NewSQLiteStateStore, add("state", "sqlite"))
	state.DefaultRegistry.RegisterComponent(statememory.NewInMemoryStateStore, add("state", "in-memory"))
	state.DefaultRegistry.RegisterComponent(stateredis.NewRedisStateStore, add("state", "redis"))
	state.DefaultRegistry.RegisterComponentWithVersions(add("state", "postgresql"), postgresqlVersions())

	pubsub.DefaultRegistry.RegisterComponent(pubsubmemory.New, add("pubsub", "in-memory"))
	pubsub.DefaultRegistry.RegisterComponent(pubsubredis.NewRedisStreams, add("pubsub", "redis"))
	pubsub.DefaultRegistry.RegisterComponent(kafka.NewKafka, add("pubsub", "kafka"))
	pubsub.DefaultRegistry.RegisterComponent(rabbitmq.NewRabbitMQ, add("pubsub", "rabbitmq"))
	pubsub.DefaultRegistry.RegisterComponent(jetstream.NewJetStream, add("pubsub", "jetstream"))

	nameresolution.DefaultRegistry.RegisterComponent(resolversqlite.NewResolver, add("nameresolution", "sqlite"))
	conversation.DefaultRegistry.RegisterComponent(openai.NewOpenAI, add("conversation", "openai"))
	configuration.DefaultRegistry.RegisterComponent(redis.NewRedisConfigurationStore, add("configuration", "redis"))
}

func postgresqlVersions() components.Versioning {
	return components.Versioning{
		Preferred: components.VersionConstructor{
			Version:     "v2",
			Constructor: postgresql.NewPostgreSQLStateStore,
		},
		Default: "v2",
	}
}

func printComponents([]string) error {
	for _, name := range registered {
		fmt.Println(name)
	}
	return nil
}

func printVersion([]string) error {
	fmt.Println(buildinfo.Version())
	return nil
}
