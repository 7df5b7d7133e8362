package data

import (
	"crypto/sha256"
	"fmt"
)

// Leaks says how many validation examples are equal to training examples, or of a group that has
// some: what is measured on them is too good. With near it says instead how many are nearly equal to
// training examples without being equal: near has a number for each training example and then for
// each validation example, the same for those that are nearly equal. It gives no note where none
// are. It errors if a file cannot be read.
func Leaks(train, val *Dataset, near []int) (notes []string, err error) {
	contents, groups, numbers := map[[sha256.Size]byte]int{}, map[string]int{}, map[int]int{}
	for i, e := range train.Examples {
		sum, err := train.Digest(i)
		if err != nil {
			return nil, err
		}
		setFirst(contents, sum, i)
		setFirst(groups, e.Group, i)
		if near != nil {
			setFirst(numbers, near[i], i)
		}
	}
	var equal, grouped, alike leak
	for i, e := range val.Examples {
		sum, err := val.Digest(i)
		if err != nil {
			return nil, err
		}
		if j, same := contents[sum]; same {
			equal.add(i, j)
		} else if near != nil {
			if j, same := numbers[near[train.Len()+i]]; same {
				alike.add(i, j)
			}
		}
		if j, same := groups[e.Group]; same && e.Group != "" {
			grouped.add(i, j)
		}
	}
	say := func(l leak, are string) {
		if l.count > 0 {
			notes = append(notes, fmt.Sprintf("%d of %d validation examples are %s, such as %s and %s: what is measured on them is too good",
				l.count, val.Len(), are, val.Examples[l.val].Path, train.Examples[l.train].Path))
		}
	}
	if near != nil {
		say(alike, "nearly equal to training examples")
		return notes, nil
	}
	say(equal, "equal to training examples")
	say(grouped, "of groups that training examples are of too")
	return notes, nil
}

// leak counts validation examples that are like training examples, and has the first of them.
type leak struct{ count, val, train int }

func (l *leak) add(val, train int) {
	if l.count == 0 {
		l.val, l.train = val, train
	}
	l.count++
}

func setFirst[K comparable](m map[K]int, key K, i int) {
	if _, seen := m[key]; !seen {
		m[key] = i
	}
}
