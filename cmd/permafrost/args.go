package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// args requires exactly the named arguments.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return fmt.Errorf("%s is missing: %s", names[len(given)], cmd.UseLine())
		case len(given) > len(names):
			return fmt.Errorf("unexpected argument %q: %s", given[len(names)], cmd.UseLine())
		}
		return nil
	}
}

func oneArg(name string) cobra.PositionalArgs { return args(name) }

func noArgs() cobra.PositionalArgs { return args() }

// shapes is the flag --shape, which may be given once for each input of a model.
type shapes struct{ shapes map[string][]int }

func shapeFlag(fs *pflag.FlagSet) *shapes {
	s := &shapes{map[string][]int{}}
	fs.Var(s, "shape", "`INPUT=SIZES` of an input, as input_ids=1,128; may be given again")
	return s
}

func (s *shapes) String() string { return "" }
func (s *shapes) Type() string   { return "shape" }

func (s *shapes) Set(text string) error {
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return fmt.Errorf("want INPUT=SIZES, as input_ids=1,128")
	}
	var shape []int
	for _, d := range strings.Split(strings.ReplaceAll(text[at+1:], "x", ","), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(d))
		if err != nil || n < 1 || n > 1<<24 {
			return fmt.Errorf("%q is not a size from 1", d)
		}
		shape = append(shape, n)
	}
	s.shapes[text[:at]] = shape
	return nil
}

// threadsHelp is the help of --threads for commands without a permafrost.Config.
const threadsHelp = "`N` threads to use (0: one a core); results do not depend on it"
