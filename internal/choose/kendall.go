package choose

import "math"

// Kendall is Kendall's τ-b between two lists of scores of the same things. It is 1 where they order
// all pairs alike, −1 where they order all pairs the other way round, and about 0 where they agree
// by chance. Ties count for neither side and leave the denominator. It is NaN where one list is all
// ties.
//
// Kendall: The treatment of ties in ranking problems, Biometrika 1945.
func Kendall(a, b []float64) float64 {
	agree, tiedA, tiedB, pairs := 0, 0, 0, 0
	for i := range a {
		for j := range i {
			da, db := sign(a[i]-a[j]), sign(b[i]-b[j])
			pairs++
			agree += da * db
			if da == 0 {
				tiedA++
			}
			if db == 0 {
				tiedB++
			}
		}
	}
	return float64(agree) / math.Sqrt(float64(pairs-tiedA)*float64(pairs-tiedB))
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}
