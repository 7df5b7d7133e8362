package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
)

// flagGroup is the annotation that says under which heading help shows a flag.
const flagGroup = "permafrost-group"

// group puts flags under a heading.
func group(fs *pflag.FlagSet, heading string, names ...string) {
	for _, name := range names {
		if err := fs.SetAnnotation(name, flagGroup, []string{heading}); err != nil {
			panic(err) // a flag that does not exist
		}
	}
}

// teach makes help show the flags in their groups for every command below root.
func teach(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		var b strings.Builder
		fmt.Fprintf(&b, "Usage:\n  %s\n", usageLine(cmd))
		if cmd.HasExample() {
			fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
		}
		commands(&b, cmd)
		flags(&b, cmd)
		if !cmd.HasParent() {
			b.WriteString("\nTopics:\n")
			for _, g := range guides() {
				fmt.Fprintf(&b, "  %-*s  %s\n", cmd.NamePadding(), g.Name, g.Short)
			}
			fmt.Fprintf(&b, "\n%s help COMMAND or TOPIC explains one.\n", cmd.Name())
		} else if cmd.HasAvailableSubCommands() {
			fmt.Fprintf(&b, "\n%s help COMMAND explains one.\n", cmd.Root().Name())
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
		return err
	})
}

// guides are the pages of reference, with options as flags.
func guides() []permafrost.Guide {
	return permafrost.Guides(func(option string) string { return "--" + strings.ReplaceAll(option, "_", "-") })
}

// explainTopics makes permafrost help NAME print the guide of that name, and an error if there is
// neither a guide nor a command. Cobra prints a line and the help of a command above it, with status
// 0.
func explainTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		panic(err) // it was just made
	}
	help.Run = nil
	commands := help.ValidArgsFunction
	help.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		words, directive := commands(cmd, args, word)
		for _, g := range guides() {
			if len(args) == 0 && strings.HasPrefix(g.Name, word) {
				words = append(words, g.Name+"\t"+g.Short)
			}
		}
		return words, directive
	}
	help.RunE = func(self *cobra.Command, args []string) error {
		for _, g := range guides() {
			if len(args) == 1 && args[0] == g.Name {
				_, err := fmt.Fprint(self.OutOrStdout(), g.Text)
				return err
			}
		}
		cmd, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return fmt.Errorf("unknown command or topic %q", strings.Join(args, " "))
		}
		cmd.InitDefaultHelpFlag()
		return cmd.Help()
	}
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() && !strings.Contains(cmd.Use, " ") { // it does nothing by itself
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// commands lists the subcommands in their groups.
func commands(b *strings.Builder, cmd *cobra.Command) {
	list := func(title, id string) {
		first := true
		for _, c := range cmd.Commands() {
			if c.GroupID != id || !c.IsAvailableCommand() && c.Name() != "help" {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%s\n", title)
				first = false
			}
			fmt.Fprintf(b, "  %-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	list(map[bool]string{true: "Other:", false: "Commands:"}[len(cmd.Groups()) > 0], "")
}

// flags lists the flags in their groups, in the order in which the groups first occur, Other last.
func flags(b *strings.Builder, cmd *cobra.Command) {
	sets := map[string]*pflag.FlagSet{}
	var order []string
	all := cmd.LocalFlags()
	all.SortFlags = false
	all.AddFlagSet(cmd.InheritedFlags())
	all.VisitAll(func(f *pflag.Flag) {
		if f.DefValue == "[]" {
			f.DefValue = "" // an empty list needs no words
		}
		heading := "Flags"
		if g := f.Annotations[flagGroup]; len(g) > 0 {
			heading = g[0]
		} else if f.Name == "help" || f.Name == "version" {
			heading = other
		}
		if sets[heading] == nil {
			sets[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			sets[heading].SortFlags = false
			order = append(order, heading)
		}
		sets[heading].AddFlag(named(f))
	})
	if i := slices.Index(order, other); i >= 0 {
		order = append(slices.Delete(order, i, i+1), other)
	}
	for _, heading := range order {
		fmt.Fprintf(b, "\n%s:\n%s", heading, sets[heading].FlagUsagesWrapped(100))
	}
}

// other is the heading that comes last.
const other = "Other"

// named returns a flag for display: the name of its argument, in backquotes in its help, moves from
// there to after the flag.
func named(f *pflag.Flag) *pflag.Flag {
	rest, ok := strings.CutPrefix(f.Usage, "`")
	name, usage, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		return f
	}
	g := *f
	g.Value, g.Usage = argument{f.Value, name}, strings.TrimSpace(usage)
	return &g
}

// argument is a value whose type goes by the name of the flag's argument.
type argument struct {
	pflag.Value
	name string
}

func (a argument) Type() string { return a.name }
