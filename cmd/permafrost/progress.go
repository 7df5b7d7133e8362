package main

import (
	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// fetch replaces names of models on the hub by paths. Calls that take no context come after it.
func fetch(cmd *cobra.Command, models ...*string) (err error) {
	for _, m := range models {
		if *m, err = permafrost.Fetch(cmd.Context(), *m, progress(cmd)); err != nil {
			return err
		}
	}
	return nil
}

// progress shows a long call on stderr, with option names replaced by flags.
func progress(cmd *cobra.Command) permafrost.Option {
	return permafrost.WithProgress(flagWriter{cmd.ErrOrStderr(), cmd})
}
