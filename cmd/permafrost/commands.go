package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// The groups in which help lists commands.
const (
	groupStart  = "start"
	groupTune   = "tune"
	groupUse    = "use"
	groupEngine = "engine"
)

var groups = []*cobra.Group{
	{ID: groupStart, Title: "Start here:"},
	{ID: groupTune, Title: "Fine-tuning:"},
	{ID: groupUse, Title: "Tuned models:"},
	{ID: groupEngine, Title: "Engine:"},
}

// registered are the commands of the program. Help sorts them by name.
var registered []command

type command struct {
	group, name string
	make        func() *cobra.Command
}

// register adds a command to a group. Each command's file calls it from an init function. It panics
// at start-up if two commands have the same name.
func register(group, name string, make func() *cobra.Command) {
	if isCommand(name) {
		panic("permafrost: command " + name + " is registered twice")
	}
	registered = append(registered, command{group, name, make})
}

// isCommand reports whether a command of that name is registered.
func isCommand(name string) bool {
	return slices.ContainsFunc(registered, func(c command) bool { return c.name == name })
}

// addCommands adds the command of that name to root, or all registered ones for "".
func addCommands(root *cobra.Command, name string) {
	root.AddGroup(groups...)
	for _, c := range registered {
		if name != "" && name != c.name {
			continue
		}
		cmd := c.make()
		if cmd.Name() != c.name {
			panic("permafrost: command " + cmd.Name() + " is registered as " + c.name)
		}
		cmd.GroupID = c.group
		root.AddCommand(cmd)
	}
}
