package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// args requires exactly the named arguments.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return fmt.Errorf("%s is missing: %s", names[len(given)], cmd.UseLine())
		case len(given) > len(names):
			return fmt.Errorf("unexpected argument %q: %s", given[len(names)], cmd.UseLine())
		}
		return nil
	}
}

func oneArg(name string) cobra.PositionalArgs { return args(name) }

func noArgs() cobra.PositionalArgs { return args() }

// threadsHelp is the help of --threads of commands that have no permafrost.Config.
const threadsHelp = "`N` threads to use (0: one per core); results do not depend on it"
