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
		Short: "Take part in a federation with one's own examples",
		Long: `client takes part in a federation until it is over. It trains on the examples of --data,
which stay here, and sends what changed of the thawed weights. What to do comes from the
server; its model comes from there too, once, unless --model has it.

The classes of --data must be among those of the server. A client may be stopped and
started again: under the same name it goes on. docs/federated.md says what the server and
the other clients learn.`,
		Example: `  permafrost federate client --nats nats://TOKEN@server:4222 --data photos --name anna`,
		Args:    noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o federate.ClientOptions
	var nats permafrost.NATS
	bindNATS(fs, &nats, "`URL` that the server tells; - reads it from the first line of stdin")
	fs.StringVar(&o.Data, "data", "", "training examples of this client: `PATH` of a folder of class folders, or of a table")
	fs.StringVar(&o.Model, "model", "", "pretrained `FILE` that the server has too (default: the server sends it)")
	fs.StringVar(&o.Name, "name", "", "`NAME` of this client: letters, digits, - and _ (default: the user in --nats, else from host and --data)")
	memory := fs.String("memory", "", "`SIZE` that training may take, as 400MB; with less than the plan takes the first blocks are frozen (default: any)")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one a core); results do not depend on it")
	fs.DurationVar(&o.Wait, "wait", 10*time.Minute, "`TIME` that the server may be away")
	fs.DurationVar(&o.Idle, "idle", time.Hour, "`TIME` without a task after which the client gives up")
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
