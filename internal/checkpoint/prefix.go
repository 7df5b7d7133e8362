package checkpoint

import (
	"slices"
	"strings"
)

// wrappers are the prefixes that training scripts put before names.
var wrappers = []string{"module.", "model.", "backbone.", "module.model.", "model.module.", "net.", "network.", "encoder."}

// key is a name or path of the model in the spelling of the checkpoint.
func (r *Result) key(name string) string {
	if name+"." == r.Added {
		return ""
	}
	return strings.TrimPrefix(name, r.Added)
}

// alignPrefixes finds the prefixes to strip from the names of both sides with which most tensors
// match. Of several, it takes the shortest.
func (r *Result) alignPrefixes() {
	var ours, theirs []string
	for _, s := range r.sources {
		theirs = append(theirs, s.Name)
	}
	for _, t := range r.targets {
		if t.madeUp() {
			ours = append(ours, t.guesses(r.users)...)
		} else {
			ours = append(ours, t.name)
		}
	}
	most := -1
	for _, strip := range prefixes(theirs) {
		have := make(map[string]bool, len(theirs))
		for _, name := range theirs {
			have[strings.TrimPrefix(name, strip)] = true
		}
		for _, added := range prefixes(ours) {
			n := 0
			for _, name := range ours {
				if have[strings.TrimPrefix(name, added)] {
					n++
				}
			}
			if n > most {
				most, r.Stripped, r.Added = n, strip, added
			}
		}
	}
	taken := map[string]bool{}
	for _, s := range r.sources {
		taken[s.Name] = true
	}
	for _, s := range slices.Concat(r.sources, r.indices) {
		if key, ok := strings.CutPrefix(s.Name, r.Stripped); ok && r.Stripped != "" && !taken[key] {
			s.key = key
		}
	}
}

// prefixes lists "", then the prefixes that half of the names have, and the usual ones that any
// name has.
func prefixes(names []string) []string {
	count := map[string]int{}
	var order []string
	for _, name := range names {
		for i, depth := 0, 0; depth < 3; depth++ {
			j := strings.IndexByte(name[i:], '.')
			if j < 0 {
				break
			}
			i += j + 1
			if count[name[:i]]++; count[name[:i]] == 1 {
				order = append(order, name[:i])
			}
		}
	}
	out := []string{""}
	usual := map[string]bool{}
	for _, w := range wrappers {
		usual[w] = true
	}
	for _, p := range order {
		if 2*count[p] >= len(names) || usual[p] {
			out = append(out, p)
		}
	}
	return out
}
