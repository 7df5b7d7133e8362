// Package spec reads the lists of steps in which augmentation is written.
package spec

import (
	"fmt"
	"strings"
)

// Steps reads a comma list of steps such as flip,rand:2:9 and hands each to set: its name, and its
// arguments, what follows the first colon. Set reports whether it knows the step, and errors when
// the arguments do not suit. "none" and "" are no steps, and some is then false. Steps errors when
// a step is unknown or given twice, and names the whole list.
func Steps(list string, set func(name, args string) (known bool, err error)) (some bool, err error) {
	if list == "" || list == "none" {
		return false, nil
	}
	seen := map[string]bool{}
	for _, item := range strings.Split(list, ",") {
		name, args, _ := strings.Cut(item, ":")
		known, err := set(name, args)
		switch {
		case err != nil:
		case !known:
			err = fmt.Errorf("unknown step %q", name)
		case seen[name]:
			err = fmt.Errorf("%s is given twice", name)
		}
		if err != nil {
			return false, fmt.Errorf("augment %q: %w", list, err)
		}
		seen[name] = true
	}
	return true, nil
}
