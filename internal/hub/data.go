package hub

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

// converted is the revision under which the hub keeps a copy in Parquet of data sets in other formats.
const converted = "refs/convert/parquet"

// Data fetches a data set in Parquet, and returns the path under which data.At finds it. The name's
// file is a split, a configuration, or CONFIGURATION/SPLIT. Without a split all are fetched. Of a data
// set in another format the copy is taken that the hub makes.
func (h *Hub) Data(ctx context.Context, n layout.Name) (string, error) {
	s, err := h.Open(ctx, n)
	if err != nil {
		return "", err
	}
	parts := partsOf(s.Files)
	if len(parts) == 0 && n.Revision == layout.Main {
		n.Revision = converted
		copied, err := h.Open(ctx, n)
		if err != nil {
			return "", fmt.Errorf("hub: %s has no Parquet files, nor has the hub a copy in Parquet (%w)", n.Short(), err)
		}
		if s, parts = copied, partsOf(copied.Files); len(parts) > 0 {
			h.note("%s is in another format: the hub's own copy in Parquet is read", n.Short())
		}
	}
	if len(parts) == 0 {
		return "", fmt.Errorf("hub: %s has no Parquet files: download it, and give a folder or a table", n.Short())
	}
	chosen, split, err := choose(n, parts)
	if err != nil {
		return "", err
	}
	var files []string
	for _, p := range chosen {
		files = append(files, p.files...)
	}
	if _, err := s.Fetch(ctx, files...); err != nil {
		return "", err
	}
	if split != "" {
		return s.Path(chosen[0].pattern()), nil
	}
	return s.Path(chosen[0].config), nil
}

// part is the shards of one split of one configuration.
type part struct {
	config string // folder
	split  string
	inside bool // the split is a folder
	files  []string
}

// pattern is a glob for the files of a part, or the folder that has no others.
func (p part) pattern() string {
	switch {
	case p.inside:
		return path.Join(p.config, p.split)
	case len(p.files) == 1:
		return p.files[0]
	}
	return path.Join(p.config, p.split+"-*.parquet")
}

var (
	shardOf   = regexp.MustCompile(`^(.+?)(-\d+-of-\d+)?\.parquet$`)
	numbered  = regexp.MustCompile(`^(part[-_.]?)?\d+`)
	mostNamed = 12 // parts in a message
)

// partsOf sorts the Parquet files of a repository: CONFIG/SPLIT-00000-of-00005.parquet, or
// CONFIG/SPLIT/0000.parquet.
func partsOf(files []string) (parts []part) {
	for _, f := range files {
		m := shardOf.FindStringSubmatch(path.Base(f))
		if m == nil {
			continue
		}
		p := part{config: path.Dir(f), split: m[1]}
		if numbered.MatchString(p.split) {
			p = part{config: path.Dir(p.config), split: path.Base(p.config), inside: true}
		}
		i := slices.IndexFunc(parts, func(q part) bool { return q.config == p.config && q.split == p.split && q.inside == p.inside })
		if i < 0 {
			i, parts = len(parts), append(parts, p)
		}
		parts[i].files = append(parts[i].files, f)
	}
	return parts
}

// choose finds the parts that a name means: those of a configuration, or one of them.
func choose(n layout.Name, parts []part) (chosen []part, split string, err error) {
	configs := map[string][]part{}
	for _, p := range parts {
		configs[p.config] = append(configs[p.config], p)
	}
	config := ""
	switch file := n.File; {
	case configs[file] != nil:
		config = file
	case configs[path.Dir(file)] != nil && strings.Contains(file, "/"):
		config, split = path.Dir(file), path.Base(file)
	default:
		split = file
		for _, usual := range []string{"data", "default", "."} { // the first one that is there
			if configs[usual] != nil && config == "" {
				config = usual
			}
		}
		if len(configs) == 1 {
			config = parts[0].config
		}
		if config == "" {
			names := slices.Sorted(maps.Keys(configs))
			return nil, "", fmt.Errorf("hub: %s has %d configurations: name one, as in %s:%s; there are %s", n.Short(), len(names), n.Short(), names[0], some(names))
		}
	}
	if split == "" {
		for _, p := range configs[config] {
			if strings.HasPrefix(p.split, "partial-") {
				return nil, "", fmt.Errorf("hub: of %s, the copy in Parquet has only the beginning of each split: give :%s to train on that, or download the data set, and give a folder or a table", n.Short(), p.split)
			}
		}
		return configs[config], "", nil
	}
	var names []string
	for _, p := range configs[config] {
		if p.split == split {
			return []part{p}, split, nil
		}
		names = append(names, p.split)
	}
	return nil, "", fmt.Errorf("hub: %s has no split %s: it has %s", n.Short(), split, some(names))
}

func some(names []string) string {
	text := strings.Join(names[:min(mostNamed, len(names))], ", ")
	if more := len(names) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
