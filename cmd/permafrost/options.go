package main

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
)

// The library names options as "option lr_mult". On the command line these are flags, "--lr-mult".
var optionName = regexp.MustCompile(`\boption ([a-z][a-z0-9_]*)`)

// flagNames replaces option names in a text by flags, if any command of the program has them.
func flagNames(cmd *cobra.Command, text string) string {
	return optionName.ReplaceAllStringFunc(text, func(s string) string {
		name := strings.ReplaceAll(strings.TrimPrefix(s, "option "), "_", "-")
		if cmd.Flags().Lookup(name) == nil && !allFlags()[name] {
			return s
		}
		return "--" + name
	})
}

// nameFlags does the same in place, for the texts of a result.
func nameFlags(cmd *cobra.Command, texts ...*string) {
	for _, t := range texts {
		*t = flagNames(cmd, *t)
	}
}

// allFlags are the names of the flags of all commands.
var allFlags = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
		for _, c := range cmd.Commands() {
			add(c)
		}
	}
	add(newRoot(""))
	return names
})

// flagText is an error in one line with options as flags.
func flagText(cmd *cobra.Command, err error) string {
	s := oneLine(err)
	var o *permafrost.OptionError
	if errors.As(err, &o) {
		s = strings.Replace(s, o.Option+": ", "option "+o.Option+": ", 1)
	}
	return flagNames(cmd, s)
}

// flagWriter writes text with option names replaced by flags. Each write must be whole lines.
type flagWriter struct {
	w   io.Writer
	cmd *cobra.Command
}

func (w flagWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(w.w, flagNames(w.cmd, string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Fd returns the file behind the writer, so that a terminal is recognised, or no file if there is
// none.
func (w flagWriter) Fd() uintptr {
	if f, ok := w.w.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}
