package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
)

func init() { register(groupTune, "federate", federateCommand) }

func federateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "federate",
		Short: "Fine-tune over clients whose examples stay where they are",
		Long: `federate tunes a model over many clients (federated learning). Their examples stay where
they are. In each round, every client trains the thawed weights on its own examples and
sends the changes, and the server combines them. Frozen weights never travel.

  simulate  many clients in one process, to try it out
  server    runs the rounds of a real federation
  client    joins one
  show      prints the state of one

docs/federated.md says what each side sees of the others, and how to run it across sites.`,
		Example: `  permafrost federate simulate --model resnet.onnx --data photos --clients 10 --rounds 20 --out tuned
  permafrost federate server --model resnet.onnx --val photos/val --rounds 20 --min-clients 2 --out tuned
  permafrost federate client --nats nats://TOKEN@127.0.0.1:4222 --data photos/train
  permafrost federate show tuned`,
		Args: noArgs(),
	}
	cmd.AddCommand(federateSimulateCommand(), federateServerCommand(), federateClientCommand(), federateShowCommand())
	return cmd
}

// federationFlags defines the flags of a federation's server.
func federationFlags(fs *pflag.FlagSet, o *federate.Options) (names []string) {
	before := map[string]bool{}
	fs.VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	fs.IntVar(&o.Rounds, "rounds", 20, "`N` rounds: in each, clients train and send their changes")
	fs.IntVar(&o.MinClients, "min-clients", 0, "`N` clients that a round needs (0: 2, or 3 with --secure)")
	fs.Float64Var(&o.Fraction, "fraction", 1, "`P` share of the clients that take part in a round, drawn by seed")
	fs.StringVar(&o.Strategy, "strategy", "fedavg", "`KIND` how changes are combined: "+strings.Join(federate.Strategies(), ", "))
	fs.StringVar(&o.Compress, "compress", "none", "`KIND` how weights travel, both ways: none, fp16, int8, or topk:P, the share P of the numbers")
	fs.StringVar(&o.FreezeRounds, "freeze-rounds", "", "`KIND` what trains in a round: apf pauses weights that have settled, fedpart[:WHOLE,EACH] trains the blocks in turn (default: all that is thawed)")
	fs.StringVar(&o.Statistics, "statistics", "shared", "`KIND` running statistics of thawed normalisations: shared, or local to each client")
	fs.BoolVar(&o.Secure, "secure", false, "hide each client's change: the server learns only the sum")
	fs.Float64Var(&o.SecureLimit, "secure-limit", 16, "`X` largest change of one number in a secure sum")
	fs.Float64Var(&o.Epsilon, "dp-epsilon", 0, "`X` differential privacy: epsilon of all rounds together, for each client (0: none)")
	fs.Float64Var(&o.Delta, "dp-delta", 1e-5, "`X` delta of differential privacy: probability with which the bound may fail")
	fs.Float64Var(&o.ClipNorm, "dp-clip", 1, "`X` norm to which a client's change is clipped, with --dp-epsilon")
	fs.BoolVar(&o.LocalNoise, "dp-local", false, "let each client add noise to its own change, so that it need not trust the server")
	fs.Float64Var(&o.MaxNorm, "max-norm", 0, "`X` norm above which a change is rejected (0: a thousand times the median)")
	fs.DurationVar(&o.Deadline, "deadline", 10*time.Minute, "`TIME` how long a step of a round waits for clients")
	fs.DurationVar(&o.Wait, "wait", 10*time.Minute, "`TIME` how long the server waits for enough clients")
	fs.BoolVar(&o.Resume, "resume", false, "continue the federation in --out")
	fs.VisitAll(func(f *pflag.Flag) {
		if !before[f.Name] {
			names = append(names, f.Name)
		}
	})
	return names
}

// trainingFlags defines the flags of training that a federation heeds.
func trainingFlags(fs *pflag.FlagSet) (*configFlags, func()) {
	return bindAllBut(fs, "tensorboard", "auto", "budget", "schedule", "extends", "start", "average", "wise-ft", "patience", "rates", "calibrate", "class-weights", "group")
}

// aboveZero errors where a flag was given as 0 whose zero would otherwise stand for its default.
func aboveZero(cmd *cobra.Command) error {
	for _, name := range []string{"rounds", "fraction", "secure-limit", "dp-delta", "dp-clip", "deadline", "wait", "idle", "clients"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && (f.Value.String() == "0" || f.Value.String() == "0s") {
			return fmt.Errorf("--%s: %s: want more than 0", name, f.Value)
		}
	}
	return nil
}

// interrupted says how a search or a federation goes on that a signal ended. begun is the file in its
// folder that is there once it has begun.
func interrupted(err error, out, begun string) error {
	if !errors.Is(err, permafrost.ErrInterrupted) || out == "" {
		return err
	}
	if _, there := os.Stat(filepath.Join(out, begun)); there != nil {
		return err // it had not begun
	}
	return exitError{exitInterrupted, fmt.Sprintf("interrupted; the same command with --resume continues %s", out)}
}

// printRound prints the line of a round.
func printRound(cmd *cobra.Command, r federate.Round) {
	text := fmt.Sprintf("round %d/%d  %d of %d clients  %s %s  up %s  down %s", r.Number, r.Rounds, r.Clients, r.Asked, r.Metric, metricText(r), bytesText(r.Up), bytesText(r.Down))
	if r.Epsilon > 0 {
		text += fmt.Sprintf("  epsilon %.3g", r.Epsilon)
	}
	fmt.Fprintf(flagWriter{cmd.ErrOrStderr(), cmd}, "%s  %s\n", text, secondsText(r.Seconds))
}

func metricText(r federate.Round) string {
	if r.Metric == "accuracy" {
		return fmt.Sprintf("%.1f%%", 100*r.Accuracy)
	}
	return fmt.Sprintf("%.4g", r.Accuracy)
}

// printFederation prints what a federation came to.
func printFederation(cmd *cobra.Command, r *federate.Result) error {
	w := cmd.OutOrStdout()
	metric := metricText(federate.Round{Metric: r.Metric, Accuracy: r.ValAccuracy})
	if r.State != permafrost.RunDone {
		fmt.Fprintf(w, "state       %s, %d of %d rounds\n", r.State, r.Rounds, r.Planned)
	}
	if r.Error != "" {
		fmt.Fprintf(w, "error       %s\n", flagText(cmd, errors.New(r.Error)))
	}
	if r.Rounds > 0 {
		fmt.Fprintf(w, "validation  %s %s, loss %.4g (weights of round %d of %d)\n", r.Metric, metric, r.ValLoss, r.BestRound, r.Rounds)
	}
	fmt.Fprintf(w, "clients     %d took part; %d answers did not come, %d were rejected, %d clients were refused\n", r.Clients, r.Lost, r.Rejected, len(r.Refused))
	fmt.Fprintf(w, "bytes       up %s, down %s: %s of what exchanging the whole model takes (%s)\n", bytesText(r.BytesUp), bytesText(r.BytesDown), share(r.BytesUp+r.BytesDown, r.BytesFull), bytesText(r.BytesFull))
	if r.BytesBase > 0 {
		fmt.Fprintf(w, "            base model %s, once\n", bytesText(r.BytesBase))
	}
	if r.Epsilon > 0 {
		fmt.Fprintf(w, "privacy     epsilon %.3g at delta %.3g\n", r.Epsilon, r.Delta)
	}
	fmt.Fprintf(w, "server sees %s\n", r.Seen)
	fmt.Fprintf(w, "took        %s, %s\n", secondsText(r.Seconds), bytesText(r.PeakRSS))
	if r.Out != "" {
		fmt.Fprintf(w, "written     %s\n", r.Out)
	}
	return nil
}

func share(a, b int64) string {
	if b == 0 {
		return "0%"
	}
	return fmt.Sprintf("%.3g%%", 100*float64(a)/float64(b))
}
