package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupEngine, "version", versionCommand) }

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    `version prints the versions of permafrost and Go, and the platform.`,
		Example: `  permafrost version --json`,
		Args:    noArgs(),
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]string{"version": permafrost.Version, "go": runtime.Version(), "platform": platform})
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), versionText())
		return err
	}
	return cmd
}

// versionText is the line that version and --version print.
func versionText() string {
	return fmt.Sprintf("permafrost %s (%s, %s)\n", permafrost.Version, runtime.Version(), platform)
}

const platform = runtime.GOOS + "/" + runtime.GOARCH
