package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
)

func federateClientCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client [--model MODEL] --data PATH --nats URL [--name NAME] [--memory SIZE]",
		Short: "Join a federation with your own examples",
		Long: `client takes part in a federation until it is over. It trains on the examples of --data, which
stay here, and sends the changes of the thawed weights. The server sends the options and, unless
--model names it, the model, once.

The classes of --data must be among those of the server. A client may be stopped and started
again under the same name. docs/federated.md says what the server and the other clients learn.`,
		Example: `  permafrost federate client --nats nats://TOKEN@server:4222 --data photos --name anna`,
		Args:    noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o federate.ClientOptions
	var nats permafrost.NATS
	bindNATS(fs, &nats, "`URL` address that the server printed or wrote; - reads it from the first line of stdin")
	fs.StringVar(&o.Data, "data", "", "`PATH` training examples of this client: a folder of class folders, or a table")
	fs.StringVar(&o.Model, "model", "", "`FILE` pretrained model, the same as the server's (default: the server sends it)")
	fs.StringVar(&o.Name, "name", "", "`NAME` name of this client: letters, digits, - and _ (default: the user in --nats, else from host and --data)")
	memory := fs.String("memory", "", "`SIZE` memory for training, such as 400MB; if the plan needs more, the first blocks stay frozen (default: no limit)")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one per core); results do not depend on it")
	fs.DurationVar(&o.Wait, "wait", 10*time.Minute, "`TIME` how long the server may be unreachable")
	fs.DurationVar(&o.Idle, "idle", time.Hour, "`TIME` give up after this long without a task")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := aboveZero(cmd); err != nil {
			return err
		}
		o.NATS = nats
		if o.URL == "-" {
			b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<16))
			if err != nil {
				return err
			}
			line, _, _ := strings.Cut(string(b), "\n")
			if o.URL = strings.TrimSpace(line); o.URL == "" {
				return fmt.Errorf("--nats -: no address on stdin")
			}
		}
		if *memory != "" {
			n, err := permafrost.ParseSize(*memory)
			if err != nil {
				return fmt.Errorf("--memory: %w", err)
			}
			o.Memory = n
		}
		o.OnNote = func(text string) { note(cmd, "%s", text) }
		return federate.Join(cmd.Context(), o)
	}
	return cmd
}
