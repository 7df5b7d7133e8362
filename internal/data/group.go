package data

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// The option group says which examples belong together, such as the pictures of one plant or the
// recordings of one speaker: no division of the examples parts them, see Folds and Split.

// groupPattern reads the option group as a regular expression over paths. It errors unless the
// expression has one group in parentheses.
func groupPattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	switch {
	case err != nil:
		return nil, option.Errorf("group", "%s: %w", text, err)
	case re.NumSubexp() != 1:
		return nil, option.Errorf("group", "%s: the regular expression needs one pair of parentheses, around what names the group, and has %d", text, re.NumSubexp())
	}
	return re, nil
}

// groupFiles sets the groups of files: what the parentheses of the option group match in their
// paths below root. Files that it does not match belong to no group. For training examples it
// errors if it matches none, and gives a remark.
func groupFiles(root string, examples []Example, opt Options) (remarks []string, err error) {
	if opt.Table.Group == "" {
		return nil, nil
	}
	re, err := groupPattern(opt.Table.Group)
	if err != nil {
		return nil, err
	}
	for i, e := range examples {
		if m := re.FindStringSubmatch(relative(root, e.Path)); m != nil {
			examples[i].Group = m[1]
		}
	}
	return sayGroups(examples, opt, func() error {
		return option.Errorf("group", "%s: it matches none of the paths in %s, such as %s", opt.Table.Group, root, relative(root, examples[0].Path))
	})
}

// relative returns a path relative to a folder, with slashes.
func relative(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil {
		path = rel
	}
	return filepath.ToSlash(path)
}

// groupRows sets the groups of a table's examples, one a row: the cells of the column that the
// option group names. Where the table has no such column and names files, the option is a regular
// expression over these. Examples whose cell is empty belong to no group.
func groupRows(t *Table, examples []Example, opt Options) (remarks []string, err error) {
	if opt.Table.Group == "" {
		return nil, nil
	}
	column := t.Column(opt.Table.Group)
	files := t.Column("file")
	switch {
	case column >= 0:
		for i, row := range t.Rows {
			examples[i].Group = strings.TrimSpace(row[column])
		}
	case files >= 0 && strings.Contains(opt.Table.Group, "("):
		re, err := groupPattern(opt.Table.Group)
		if err != nil {
			return nil, err
		}
		for i, row := range t.Rows {
			if m := re.FindStringSubmatch(filepath.ToSlash(row[files])); m != nil {
				examples[i].Group = m[1]
			}
		}
	case opt.measuring:
		return nil, nil
	default:
		return nil, option.Errorf("group", "%s: %s has no such column: it has %s", opt.Table.Group, t.Path, list(t.Columns))
	}
	return sayGroups(examples, opt, func() error {
		if column >= 0 {
			return option.Errorf("group", "%s: the column is empty in all rows of %s", opt.Table.Group, t.Path)
		}
		return option.Errorf("group", "%s: it matches none of the files that %s names, such as %s", opt.Table.Group, t.Path, t.Rows[0][files])
	})
}

// largePart is the share of the examples that a group may have without making the parts unequal:
// examples are often divided into five.
const largePart = 0.2

// sayGroups describes the groups of training examples. It errors with none if there is no group,
// and if there is only one.
func sayGroups(examples []Example, opt Options, none func() error) ([]string, error) {
	if opt.measuring {
		return nil, nil
	}
	counts, alone := map[string]int{}, 0
	largest, first := "", ""
	for _, e := range examples {
		if e.Group == "" {
			alone++
			continue
		}
		if counts[e.Group]++; first == "" {
			first = e.Group
		}
		if largest == "" || counts[e.Group] > counts[largest] {
			largest = e.Group
		}
	}
	switch {
	case len(counts) == 0:
		return nil, none()
	case len(counts) == 1 && alone == 0:
		return nil, option.Errorf("group", "%s: all %d examples are of one group, %s, so that none can be held out", opt.Table.Group, len(examples), first)
	}
	text := fmt.Sprintf("option group %s: %d groups of examples, which no division parts; the largest, %s, has %d of %d", opt.Table.Group, len(counts), largest, counts[largest], len(examples))
	if float64(counts[largest]) > largePart*float64(len(examples)) {
		text += ", so that the parts are unequal"
	}
	if alone > 0 {
		text += fmt.Sprintf("; %d are of no group", alone)
	}
	return []string{text}, nil
}
