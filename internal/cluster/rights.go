package cluster

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Rights are the subjects on which a user may publish and to which it may subscribe. It may also
// answer each message that it gets, once.
type Rights struct{ Publish, Subscribe []string }

// WorkerRights are the rights that a worker of one group needs. With them it takes the jobs of its
// group, and of other groups it reads the names of jobs only. Blobs belong to all groups.
func WorkerRights(group string) Rights {
	return Rights{
		Publish: []string{
			claimWord + "." + group + ".>", resultWord + "." + group + ".>", uploadWord + "." + group + ".>", sayWord + "." + group,
			"$JS.API.INFO", "$JS.API.STREAM.INFO.*",
			"$JS.API.CONSUMER.INFO." + jobsStream + "." + group, "$JS.API.CONSUMER.MSG.NEXT." + jobsStream + "." + group,
			"$JS.ACK." + jobsStream + "." + group + ".>",
			"$JS.API.DIRECT.GET." + jobsStream + "." + jobWord + "." + group + ".>",
			"$JS.API.DIRECT.GET." + claimsStream + "." + claimWord + "." + group + ".>",
			"$JS.API.DIRECT.GET." + resultsStream + "." + resultWord + "." + group + ".>",
			"$JS.API.DIRECT.GET." + blobsStream + ".>", "$JS.API.CONSUMER.CREATE." + blobsStream + ".>", "$JS.API.CONSUMER.DELETE." + blobsStream + ".>",
		},
		Subscribe: []string{"_INBOX_" + group + ".>", askWord + "." + group, stopWord + "." + group},
	}
}

func (r Rights) permissions() *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: r.Publish},
		Subscribe: &server.SubjectPermission{Allow: r.Subscribe},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute},
	}
}
