package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
)

func federateSimulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate --model MODEL --data PATH [--val PATH] [--thaw S] --clients N --rounds N [--out DIR]",
		Short: "Simulate a federation of many clients in one process",
		Long: `simulate divides the examples of --data among clients and runs a federation of them, with the
code of a real one. Frozen activations are computed once for all clients. As many clients
train at a time as there are threads. The server measures on the examples of --val.`,
		Example: `  permafrost federate simulate --model resnet.onnx --data photos --thaw last:1,head \
    --clients 10 --rounds 20 --partition dirichlet:0.3 --compress int8 --out tuned`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given, grouped := trainingFlags(fs)
	var o federate.Options
	var c federate.Clients
	names := federationFlags(fs, &o)
	fs.IntVar(&c.Number, "clients", 10, "`N` clients")
	fs.StringVar(&c.Partition, "partition", "iid", "`KIND` how examples are divided: iid, or dirichlet:A, where a smaller A gives each client fewer classes")
	fs.Float64Var(&c.Drop, "drop", 0, "`P` share of the clients whose answer is lost in each round")
	fs.Float64Var(&c.Malicious, "malicious", 0, "`P` share of the clients that are malicious, in every round")
	fs.StringVar(&c.Lie, "lie", "flip", "`KIND` what malicious clients send: flip, the opposite of their change; scale, ten times the opposite; random, noise ten times as large")
	memory := fs.StringSlice("client-memory", nil, "`SIZES` training memory of the clients, in turn, such as 40MB,90MB,0 (0: no limit); where it is too small, the first blocks stay frozen")
	fs.BoolVar(&c.SecretNoise, "secret-noise", false, "draw the noise of --dp-epsilon unpredictably, as a real federation does, not by seed")
	asJSON := jsonFlag(fs)
	group(fs, "The federation", names...)
	group(fs, "The simulated clients", "clients", "partition", "drop", "malicious", "lie", "client-memory", "secret-noise")
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
		for _, text := range *memory {
			n, err := permafrost.ParseSize(text)
			if err != nil {
				return fmt.Errorf("--client-memory: %w", err)
			}
			c.Memory = append(c.Memory, n)
		}
		o.OnNote = func(text string) { note(cmd, "%s", text) }
		o.OnRound = func(r federate.Round) { printRound(cmd, r) }
		r, err := federate.Simulate(cmd.Context(), cfg, o, c)
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
