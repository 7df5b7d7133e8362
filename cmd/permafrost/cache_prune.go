package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func cachePruneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune --all|--older DURATION|--to SIZE",
		Short: "Delete what is not needed",
		Long: `prune deletes everything (--all), what was not used for a time (--older), or the least recently
used until the rest fits (--to). --older and --to together delete what was not used for that time,
and only until the rest fits. Without any of them it prints what each would free, and deletes
nothing.`,
		Example: `  permafrost cache prune --older 30d
  permafrost cache prune --to 1GB --dry-run`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o permafrost.PruneOptions
	all := fs.Bool("all", false, "delete everything")
	fs.Var((*ageValue)(&o.Older), "older", "`DURATION` delete what was not used for this long, such as 12h, 30d or 4w")
	fs.Var((*sizeValue)(&o.Budget), "to", "`SIZE` delete the least recently used until this much is left, such as 500MB or 2GiB")
	fs.BoolVar(&o.Dry, "dry-run", false, "only print what would be freed")
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := permafrost.CacheDir()
		if err != nil {
			return err
		}
		some := fs.Changed("older") || fs.Changed("to")
		switch {
		case *all && some:
			return errors.New("--all drops everything: leave --older and --to out")
		case !*all && !some:
			if err := askWhatToPrune(dir); err != nil {
				return err
			}
		}
		freed, left, err := permafrost.PruneCache(dir, o)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]int64{"freed_bytes": freed, "left_bytes": left})
		}
		if freed+left == 0 {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing to drop: the cache in %s is empty\n", dir)
			return err
		}
		did := "freed"
		if o.Dry {
			did = "would be freed"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s, %s left in %s\n", bytesText(freed), did, bytesText(left), dir)
		return err
	}
	return cmd
}

// askWhatToPrune is the error of a prune that says nothing of what to drop: what each way would free.
// It is nil for an empty cache.
func askWhatToPrune(dir string) error {
	day := 24 * time.Hour
	total, _, err := permafrost.PruneCache(dir, permafrost.PruneOptions{Dry: true})
	if err != nil || total == 0 {
		return err
	}
	var would []string
	for _, w := range []struct {
		flag string
		o    permafrost.PruneOptions
	}{
		{"--all", permafrost.PruneOptions{}},
		{"--older 1d", permafrost.PruneOptions{Older: day}},
		{"--older 30d", permafrost.PruneOptions{Older: 30 * day}},
		{fmt.Sprintf("--to %dMiB", (total/2)>>20), permafrost.PruneOptions{Budget: (total / 2) >> 20 << 20}},
	} {
		w.o.Dry = true
		freed, _, err := permafrost.PruneCache(dir, w.o)
		if err != nil {
			return err
		}
		would = append(would, fmt.Sprintf("%s would free %s", w.flag, bytesText(freed)))
	}
	return fmt.Errorf("say what to drop of the %s in %s: %s", bytesText(total), dir, strings.Join(would, ", "))
}

// sizeValue is a number of bytes as a flag.
type sizeValue int64

func (*sizeValue) Type() string     { return "size" }
func (s *sizeValue) String() string { return strconv.FormatInt(int64(*s), 10) }

func (s *sizeValue) Set(text string) error {
	n, err := permafrost.ParseSize(text)
	*s = sizeValue(n)
	return err
}

// ageValue is a duration as a flag, in days and weeks too.
type ageValue time.Duration

func (*ageValue) Type() string { return "age" }

func (a *ageValue) String() string {
	if *a == 0 { // none is given
		return ""
	}
	return time.Duration(*a).String()
}

func (a *ageValue) Set(text string) error {
	hours, last := 0, len(text)-1
	switch {
	case strings.HasSuffix(text, "d"):
		hours = 24
	case strings.HasSuffix(text, "w"):
		hours = 7 * 24
	}
	d, err := time.ParseDuration(text)
	if hours > 0 {
		var n float64
		n, err = strconv.ParseFloat(text[:last], 64)
		d = time.Duration(n * float64(hours) * float64(time.Hour))
	}
	if err == nil && d == 0 {
		return errors.New("everything is older: --all drops everything")
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration, as 12h, 30d or 4w", text)
	}
	*a = ageValue(d)
	return nil
}
