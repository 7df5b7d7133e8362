package main

import (
	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// progress shows a long call on stderr, with option names replaced by flags.
func progress(cmd *cobra.Command) permafrost.Option {
	return permafrost.WithProgress(flagWriter{cmd.ErrOrStderr(), cmd})
}
