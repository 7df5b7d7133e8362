package option

import "fmt"

// DidYouMean is a hint that names the candidate nearest to word, empty where none is near.
func DidYouMean(word string, candidates []string) string {
	best, at := max(3, len(word)/2), ""
	for _, c := range candidates {
		if d := EditDistance(word, c); d < best {
			best, at = d, c
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", at)
}

// EditDistance is Levenshtein's: the least number of bytes to insert, remove or replace.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diag
			if a[i] != b[j] {
				d++
			}
			diag = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
