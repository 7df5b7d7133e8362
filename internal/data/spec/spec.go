// Package spec has what descriptions of preparation and augmentation have in common: lists of steps,
// and the meaning of what may stand in them.
package spec

import (
	"fmt"
	"strings"
)

// Steps parses a comma-separated list of steps such as flip,rand:2:9. It passes each to set: its
// name, and its arguments, the text after the first colon. set reports whether it knows the step,
// and errors on unsuitable arguments. "none" and "" are lists without steps; then some is false.
// Steps errors if a step is unknown or given twice, and quotes the complete list.
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
			return false, fmt.Errorf("option augment %q: %w", list, err)
		}
		seen[name] = true
	}
	return true, nil
}
