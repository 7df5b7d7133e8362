// Command permafrost fine-tunes pretrained ONNX models by weight freezing.
//
// permafrost help lists the commands, permafrost help COMMAND explains one. Results go to stdout,
// progress and notes to stderr. With --json stdout holds exactly one JSON object, with --quiet stderr
// holds nothing but an error. The exit status is 0
// when the work was done, 1 when a check failed, 2 for bad usage or bad input, and 130 after an
// interrupt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// The exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1   // a check found something
	exitUsage       = 2   // bad usage or bad input
	exitInterrupted = 130 // stopped by a signal, with everything saved
)

func main() {
	largePages()
	collectGarbage()
	// Nothing here writes to the standard logger. The FLAC decoder does: one line for every frame
	// with a rate that it has no test for.
	log.SetOutput(io.Discard)
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute is the whole program. It returns the exit status.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	only := "" // what begins with no command, as help and completion do, may speak of all
	if len(args) > 0 && isCommand(args[0]) {
		only = args[0] // to make all takes longer than some commands
	}
	root := newRoot(only)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var status exitError
	if errors.As(err, &status) {
		if status.message != "" {
			fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), status.message)
		}
		return status.code
	}
	if errors.Is(err, permafrost.ErrInterrupted) {
		fmt.Fprintf(stderr, "%s: interrupted\n", cmd.CommandPath())
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), explain(cmd, err))
	if diverged := (*permafrost.DivergedError)(nil); errors.As(err, &diverged) {
		return exitFailed
	}
	return exitUsage
}

// exitError ends the program with a status other than that of bad usage.
type exitError struct {
	code    int
	message string // one line; empty if everything has been said
}

func (e exitError) Error() string { return e.message }

// explain returns an error as one line, and says how to mend errors from cobra that do not.
func explain(cmd *cobra.Command, err error) string {
	s := flagText(cmd, err)
	switch {
	case strings.HasPrefix(s, "required flag"):
		return s + ": " + cmd.UseLine()
	case strings.HasPrefix(s, "unknown command"):
		return s + "; " + cmd.Root().Name() + " --help lists the commands"
	}
	return s
}

// oneLine joins the lines of an error.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, " ")
}

// newRoot is the program with the command of that name alone, or with all for "".
func newRoot(name string) *cobra.Command {
	root := &cobra.Command{
		Use:   "permafrost",
		Short: "Fine-tune pretrained ONNX models by weight freezing",
		Long: `Permafrost fine-tunes pretrained ONNX models by weight freezing.

It reads a model as ONNX, thaws a few of its weights, trains them on your data, and
writes ONNX again. Every frozen weight is bit for bit the same.

A first session:

  permafrost demo                                     the whole story, in a minute
  permafrost inspect model.onnx                       what is in it, what freezing saves
  permafrost fit --model model.onnx --data photos     train a new head on class folders
  permafrost verify model.onnx runs/.../model.onnx    prove that the rest is untouched
  permafrost predict --model runs/.../model.onnx a.jpg`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.Version = permafrost.Version
	root.SetVersionTemplate(versionText())
	root.SetFlagErrorFunc(unknownFlag)
	quietFlag(root)
	teach(root)
	addCommands(root, name)
	completeRest(root)
	explainTopics(root)
	return root
}
