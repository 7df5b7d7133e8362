package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/train"
)

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look after the frozen activations that runs keep on the disk",
		Long: `What the frozen part of a network makes of an example is computed once and kept on the
disk, addressed by what it was computed from: runs and processes share it. It lies in
the user's cache folder, or where the environment variable PERMAFROST_CACHE says (off:
nowhere), and stays within a budget by itself. Nothing in it is needed: what is gone or
damaged is computed again.`,
		Example: `  permafrost cache ls
  permafrost cache verify
  permafrost cache prune --budget 1GB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(cacheListCommand(), cacheVerifyCommand(), cachePruneCommand())
	return cmd
}

// cacheDir is the folder of the cache.
func cacheDir() (string, error) {
	dir, err := cache.DefaultDir()
	if err == nil && dir == "off" {
		return "", fmt.Errorf("PERMAFROST_CACHE is off: name the cache's folder there")
	}
	return dir, err
}

func cacheListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List what is kept",
		Example: `  permafrost cache ls --json`,
		Args:    cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := cacheDir()
		if err != nil {
			return err
		}
		spaces, err := cache.List(dir)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Dir    string       `json:"dir"`
				Spaces []cache.Info `json:"spaces"`
			}{dir, append([]cache.Info{}, spaces...)})
		}
		return printSpaces(cmd.OutOrStdout(), dir, spaces)
	}
	return cmd
}

func printSpaces(w io.Writer, dir string, spaces []cache.Info) error {
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
		Short:   "Read everything that is kept and check it",
		Long:    `verify reads every block and checks it. The exit status is 1 when one is damaged.`,
		Example: `  permafrost cache verify`,
		Args:    cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := cacheDir()
		if err != nil {
			return err
		}
		c, err := cache.Verify(cmd.Context(), dir)
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

func cachePruneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Drop what was used longest ago",
		Long:    `prune drops what was used longest ago until what is left fits the budget; without one everything is dropped.`,
		Example: `  permafrost cache prune --budget 1GB`,
		Args:    cobra.NoArgs,
	}
	var budget train.Size
	cmd.Flags().Var(sizeValue{&budget}, "budget", "`SIZE` that may be left, as 500MB or 2GiB (default: nothing)")
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := cacheDir()
		if err != nil {
			return err
		}
		freed, left, err := cache.Prune(dir, int64(budget))
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]int64{"freed_bytes": freed, "left_bytes": left})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s freed, %s left in %s\n", bytesText(freed), bytesText(left), dir)
		return err
	}
	return cmd
}

// sizeValue is a size as a flag.
type sizeValue struct{ *train.Size }

func (sizeValue) Type() string { return "size" }
