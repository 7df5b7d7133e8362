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

func init() { register(groupTune, workerCommand) }

func workerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker --nats URL [--threads N] [--name NAME]",
		Short: "Compute for searches and fits that other machines began",
		Long: `worker runs trials of searches at a NATS server, and shards of the frozen pass of fits
and searches (--nats), one at a time, until it is stopped. It waits for those that have
not begun. Model and data come to it from the server, each content once; it checks every
digest, and keeps the files of searches for a week after their last use below the cache
folder (PERMAFROST_CACHE), where frozen activations are kept too.

Workers may come and leave at any time. One that is stopped with Ctrl-C or SIGTERM gives
the job that it has not finished to another. One that is killed or cut off is missed
after half a minute. Results do not depend on any of this.

Worker, fit and search must have the same version of Permafrost and the same kind of processor
(PERMAFROST_CPU names one that all have).`,
		Example: `  permafrost worker --nats nats://n1:4222,nats://n2:4222 --creds lab.creds`,
		Args:    noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o search.WorkerOptions
	bindNATS(fs, &o.NATS, "`URL` of the server where searches and fits meet their workers; - reads it from the first line of stdin, and stops when stdin ends")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one a core); results do not depend on it")
	fs.StringVar(&o.Name, "name", "", "`NAME` by which a search tells who ran a trial: letters, digits, - and _ (default: host name and process)")
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
	fs.StringVar(&n.Credentials, "creds", "", "credentials `FILE` of NATS; user and password may stand in the URL as well")
	fs.StringVar(&n.CA, "tlsca", "", "`FILE` of certificates that sign the server's, PEM")
	fs.StringVar(&n.Cert, "tlscert", "", "`FILE` of this side's own certificate, PEM")
	fs.StringVar(&n.Key, "tlskey", "", "`FILE` of its key, PEM")
}
