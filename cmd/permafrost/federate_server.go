package main

import (
	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
)

func federateServerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server --model MODEL --val PATH --thaw S --rounds N --min-clients K [--nats URL | --listen ADDR] [--resume] --out DIR",
		Short: "Run the server of a federation",
		Long: `server runs the rounds of a federation whose clients join with permafrost federate client, on
any machine. It has no training examples; it measures each round on those of --val.

Without --nats it contains a NATS server, for clients on this machine, or with --listen for
others too. With --client NAME, given for each client, nobody else may join, and the file
DIR/clients/NAME.url has the address of that client with its own password. Give it to that
client only. On a network that others can reach, add --tlscert and --tlskey.

Ctrl-C ends the server; --resume continues, after a crash too. Clients wait for it.`,
		Example: `  permafrost federate server --model resnet.onnx --val photos/val --thaw last:1,head \
    --rounds 20 --min-clients 2 --listen 0.0.0.0:4222 --client anna --client ben --out tuned
  permafrost federate client --nats "$(cat anna.url)" --data photos`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given, grouped := trainingFlags(fs)
	fs.Lookup("data").Hidden = true // it is refused with the reason
	fs.Lookup("val").Usage = "examples by which the server measures each round, and standardises what a new head reads: `PATH` as for --data of a client"
	var o federate.Options
	var so federate.ServerOptions
	var nats permafrost.NATS
	names := federationFlags(fs, &o)
	bindNATS(fs, &nats, "`URL` NATS server with JetStream where clients connect (default: one inside this process)")
	fs.StringVar(&so.Listen, "listen", "", "`ADDR` host:port at which the built-in server listens, such as 0.0.0.0:4222 (default: a free port, for this machine only)")
	fs.StringArrayVar(&so.Clients, "client", nil, "`NAME` client that may join, with a password of its own; may be given again (default: any client)")
	asJSON := jsonFlag(fs)
	group(fs, "The federation", names...)
	group(fs, "The connection", "nats", "listen", "client", "creds", "tlsca", "tlscert", "tlskey")
	grouped()
	group(fs, other, "json")
	completeConfig(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := aboveZero(cmd); err != nil {
			return err
		}
		cfg, err := given.config()
		if err != nil {
			return err
		}
		so.NATS = nats
		so.OnURL = func(client, address string) {
			if client == "" {
				note(cmd, "clients join with: permafrost federate client --nats %s --data PATH", address)
			} else {
				note(cmd, `client %s joins with: permafrost federate client --nats "$(cat %s)" --data PATH`, client, address)
			}
		}
		o.OnNote = func(text string) { note(cmd, "%s", text) }
		o.OnRound = func(r federate.Round) { printRound(cmd, r) }
		r, err := federate.Serve(cmd.Context(), cfg, o, so)
		if err != nil {
			return interrupted(err, cfg.Out, permafrost.RunFile)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printFederation(cmd, r)
	}
	return cmd
}
