package main

import "github.com/spf13/cobra"

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
	group string
	make  func() *cobra.Command
}

// register adds a command to a group. Each command's file calls it from an init function. It panics
// at start-up if two commands have the same name.
func register(group string, make func() *cobra.Command) {
	registered = append(registered, command{group, make})
}

// addCommands adds the registered commands to root.
func addCommands(root *cobra.Command) {
	root.AddGroup(groups...)
	taken := map[string]bool{}
	for _, c := range registered {
		cmd := c.make()
		if taken[cmd.Name()] {
			panic("permafrost: command " + cmd.Name() + " is registered twice")
		}
		taken[cmd.Name()] = true
		cmd.GroupID = c.group
		root.AddCommand(cmd)
	}
}
