package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupEngine, "cache", cacheCommand) }

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "List, check and prune the frozen activations kept on disk",
		Long: `The frozen activations of an example are computed once and kept on disk, under a digest of
what they were computed from. Runs and processes share them. They are in the user's cache
folder, or in the folder that the environment variable PERMAFROST_CACHE names (off:
none). The cache keeps to its budget by itself. You may delete it: what is missing or
damaged is computed again.`,
		Example: `  permafrost cache ls
  permafrost cache verify
  permafrost cache prune --to 1GB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(cacheListCommand(), cacheVerifyCommand(), cachePruneCommand())
	return cmd
}

func cacheListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List what is in the cache",
		Example: `  permafrost cache ls --json`,
		Args:    noArgs(),
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := permafrost.CacheDir()
		if err != nil {
			return err
		}
		spaces, err := permafrost.ListCache(dir)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Dir    string                  `json:"dir"`
				Spaces []permafrost.CacheSpace `json:"spaces"`
			}{dir, append([]permafrost.CacheSpace{}, spaces...)})
		}
		return printSpaces(cmd.OutOrStdout(), dir, spaces)
	}
	return cmd
}

func printSpaces(w io.Writer, dir string, spaces []permafrost.CacheSpace) error {
	var total int64
	for _, s := range spaces {
		total += s.Bytes
		fmt.Fprintf(w, "%.12s  %10s  %8s blocks  %s  %s\n", s.Space, bytesText(s.Bytes), thousands(s.Blocks), s.Used.Format(time.DateTime), strings.Join(strings.Fields(strings.Join([]string{s.Kind, s.Type, s.Model, s.Value}, " ")), " "))
	}
	_, err := fmt.Fprintf(w, "%s in %s\n", bytesText(total), dir)
	return err
}

func cacheVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify",
		Short:   "Read and check everything in the cache",
		Long:    `verify reads and checks every block. The exit status is 1 if one is damaged.`,
		Example: `  permafrost cache verify`,
		Args:    noArgs(),
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := permafrost.CacheDir()
		if err != nil {
			return err
		}
		c, err := permafrost.VerifyCache(cmd.Context(), dir)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), c)
		} else {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s blocks of %s read, %d damaged\n", thousands(c.Blocks), bytesText(c.Bytes), c.Damaged)
		}
		if err == nil && c.Damaged > 0 {
			return exitError{exitFailed, fmt.Sprintf("%d blocks in %s are damaged; they are computed again when they are needed", c.Damaged, dir)}
		}
		return err
	}
	return cmd
}
