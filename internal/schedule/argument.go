package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// optional makes an argument optional.
func optional(check func(string) error) func(string) error {
	return func(arg string) error {
		if arg == "" {
			return nil
		}
		return check(arg)
	}
}

// required refuses an empty argument, with an example of one.
func required(check func(string) error, example string) func(string) error {
	return func(arg string) error {
		if arg == "" {
			return fmt.Errorf("it needs a number, as in %s", example)
		}
		return check(arg)
	}
}

func wholeNumber(arg string) error {
	if n, err := strconv.Atoi(arg); err != nil || n < 1 || n > 1<<30 {
		return fmt.Errorf("%q is not a whole number from 1", arg)
	}
	return nil
}

// number is an argument that passed wholeNumber, or the default where it is empty.
func number(arg string, or int) int {
	if n, err := strconv.Atoi(arg); err == nil {
		return n
	}
	return or
}

// fraction checks an argument such as 0.5 or 50%, above 0 and below 1.
func fraction(arg string) error {
	if x, ok := parseShare(arg); !ok || !(x > 0 && x < 1) {
		return fmt.Errorf("%q is not a share between 0%% and 100%%", arg)
	}
	return nil
}

// share is an argument that passed fraction, or the default where it is empty.
func share(arg string, or float64) float64 {
	if x, ok := parseShare(arg); ok {
		return x
	}
	return or
}

func parseShare(arg string) (float64, bool) {
	text, percent := strings.CutSuffix(arg, "%")
	x, err := strconv.ParseFloat(text, 64)
	if percent {
		x /= 100
	}
	return x, err == nil
}
