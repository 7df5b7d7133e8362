package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/search"
)

func init() { register(groupTune, "worker", workerCommand) }

func workerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker --nats URL [--threads N] [--name NAME]",
		Short: "Do work for searches and fits that run on other machines",
		Long: `worker runs trials of searches, and parts of the frozen pass of fits and searches (--nats),
one at a time, until it is stopped. If there is no work yet, it waits. It gets model and
data from the NATS server, each file once, and checks every digest. It keeps the files of
searches for a week after their last use, below the cache folder (PERMAFROST_CACHE), where
frozen activations are kept too.

Workers may come and go at any time. Ctrl-C or SIGTERM hands the unfinished job to another
worker. The job of a worker that is killed or cut off is given to another one after half a
minute. Results do not depend on any of this.

Worker, fit and search must have the same version of Permafrost and the same kind of processor
(PERMAFROST_CPU names one that all have).`,
		Example: `  permafrost worker --nats nats://n1:4222,nats://n2:4222 --creds lab.creds`,
		Args:    noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o search.WorkerOptions
	bindNATS(fs, &o.NATS, "`URL` NATS server where searches and fits find their workers; - reads it from the first line of stdin, and stops when stdin ends")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one per core); results do not depend on it")
	fs.StringVar(&o.Name, "name", "", "`NAME` name of this worker in the log of a search: letters, digits, - and _ (default: host name and process)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Threads < 0 {
			return fmt.Errorf("--threads %d: want 0 or more", o.Threads)
		}
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		if o.URL == "-" {
			in := bufio.NewReader(cmd.InOrStdin())
			line, err := in.ReadString('\n')
			if err != nil {
				return fmt.Errorf("--nats -: no address on stdin: %w", err)
			}
			o.URL = strings.TrimSpace(line)
			go func() { // ends with stdin, at the latest with the process
				_, _ = io.Copy(io.Discard, in)
				cancel()
			}()
		}
		o.OnNote = func(text string) { note(cmd, "%s", text) }
		return search.Work(ctx, o)
	}
	return cmd
}

// natsFlags are the flags of bindNATS.
var natsFlags = []string{"nats", "creds", "tlsca", "tlscert", "tlskey"}

// bindNATS defines the flags of a connection, under the names that the tools of NATS have for them.
func bindNATS(fs *pflag.FlagSet, n *permafrost.NATS, url string) {
	fs.StringVar(&n.URL, "nats", "", url)
	fs.StringVar(&n.Credentials, "creds", "", "`FILE` NATS credentials; user and password may stand in the URL instead")
	fs.StringVar(&n.CA, "tlsca", "", "`FILE` CA certificates (PEM) that signed the other side's certificate")
	fs.StringVar(&n.Cert, "tlscert", "", "`FILE` own certificate (PEM)")
	fs.StringVar(&n.Key, "tlskey", "", "`FILE` key of the own certificate (PEM)")
}
