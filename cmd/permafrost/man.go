//go:build docs

package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
)

// The command that writes the manual pages. Only a build with the tag docs has it: what turns
// Markdown into pages weighs more than they do.
//
//	go run -tags docs ./cmd/permafrost man DIR

func init() { register(groupEngine, "man", manCommand) }

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages to a folder",
		Args:  oneArg("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := newRoot("")
			for _, c := range root.Commands() {
				if c.Name() == "man" {
					root.RemoveCommand(c)
				}
			}
			root.DisableAutoGenTag = true
			forMan(root)
			date := time.Unix(0, 0).UTC() // the same pages from the same source
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "Permafrost " + permafrost.Version, Manual: "Permafrost"}, args[0])
		},
	}
}

// forMan writes the texts of a command and of those below it as Markdown, from which the pages are
// made.
func forMan(cmd *cobra.Command) {
	cmd.Long = plain.Replace(cmd.Long)
	if cmd.HasParent() { // the program itself has --quiet, for all
		set := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
		set.SortFlags = false
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			f = named(f)
			g := *f
			g.Usage = plain.Replace(g.Usage)
			set.AddFlag(&g)
		})
		cmd.ResetFlags()
		cmd.Flags().SortFlags = false
		cmd.Flags().AddFlagSet(set)
	}
	for _, c := range cmd.Commands() {
		forMan(c)
	}
}

// plain keeps characters of a text from being taken for Markdown.
var plain = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "\\`")
