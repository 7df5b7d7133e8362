package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// optional lets an argument be left out.
func optional(check func(string) error) func(string) error {
	return func(arg string) error {
		if arg == "" {
			return nil
		}
		return check(arg)
	}
}

// required says what an argument looks like where there is none.
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

// number is an argument that wholeNumber has passed; without one, or.
func number(arg string, or int) int {
	if n, err := strconv.Atoi(arg); err == nil {
		return n
	}
	return or
}

// fraction reads 0.5 or 50%. Both ends are left out.
func fraction(arg string) error {
	if x, ok := parseShare(arg); !ok || !(x > 0 && x < 1) {
		return fmt.Errorf("%q is not a share between 0%% and 100%%", arg)
	}
	return nil
}

// share is an argument that fraction has passed; without one, or.
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
