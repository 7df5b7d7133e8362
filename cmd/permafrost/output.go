package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// jsonFlag defines --json.
func jsonFlag(fs *pflag.FlagSet) *bool {
	return fs.Bool("json", false, "print one JSON object on stdout")
}

// quietFlag defines --quiet for every command. Progress and notes then go nowhere. What ends the
// program is still told.
func quietFlag(root *cobra.Command) {
	fs := root.PersistentFlags()
	quiet := fs.Bool("quiet", false, "print the result or an error, and nothing else: no progress, no notes")
	group(fs, other, "quiet")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		if *quiet {
			root.SetErr(io.Discard)
		}
	}
}

// printJSON prints the one object of --json.
func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// note prints a remark to stderr.
func note(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(flagWriter{cmd.ErrOrStderr(), cmd}, "note: "+format+"\n", args...)
}

// thousands writes n with commas between thousands.
func thousands[T int | int64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes a number of things, as 1 epoch and 2 epochs.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

// bytesText writes a number of bytes in the unit that leaves one to four digits.
func bytesText(n int64) string {
	v := float64(n)
	for _, u := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return digits(v) + " " + u
		}
		v /= 1024
	}
	return digits(v) + " TiB"
}

// secondsText writes a duration in a suitable unit.
func secondsText(s float64) string {
	switch {
	case s < 1:
		return digits(s*1000) + " ms"
	case s < 100:
		return digits(s) + " s"
	}
	return time.Duration(math.Round(s) * float64(time.Second)).String()
}

// flopsText writes a number of operations.
func flopsText(n int64) string {
	v := float64(n)
	for _, u := range []string{"", " k", " M", " G"} {
		if v < 1000 {
			return digits(v) + u
		}
		v /= 1000
	}
	return digits(v) + " T"
}

// digits writes v with three significant digits and no exponent.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v > 0 && v < 1:
		return fmt.Sprintf("%.*f", 2-int(math.Floor(math.Log10(max(v, 1e-6)))), v)
	}
	return fmt.Sprintf("%.2f", v)
}

// list joins the first few of several names.
func list(names []string, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// shapeText writes the sizes of a tensor's axes, as [64,3,7,7].
func shapeText(shape []int) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = fmt.Sprint(n)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// checkOutput errors if the CSV file that a flag names cannot be written or is one of the inputs.
// No path is fine.
func checkOutput(flag, path string, inputs ...string) error {
	switch {
	case path == "":
		return nil
	case !strings.EqualFold(filepath.Ext(path), ".csv"):
		return fmt.Errorf("--%s %s: a CSV table is written: name a file that ends in .csv", flag, path)
	}
	if err := permafrost.CheckFile(path); err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	out, err := os.Stat(path)
	if err != nil {
		return nil // it does not exist yet
	}
	for _, input := range inputs {
		if in, err := os.Stat(input); err == nil && os.SameFile(in, out) {
			return fmt.Errorf("--%s: %s is an input and would be overwritten: name another file", flag, path)
		}
	}
	return nil
}
