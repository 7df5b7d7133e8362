package option

import (
	"flag"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Bind defines one flag on fs for every field of options, a pointer to a struct with the tags yaml,
// arg and help. A flag is named like its YAML key with dashes. The value an option has is the
// flag's default; a flag of a list replaces the list where it is first given and adds to it after
// that. The help text names the argument in backquotes, as package flag wants; help may complete
// it. It panics on a field whose type has no flag form.
func Bind(fs *flag.FlagSet, options any, help func(key, help string) string) {
	v := reflect.ValueOf(options).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := strings.ReplaceAll(f.Tag.Get("yaml"), "_", "-")
		help := help(f.Tag.Get("yaml"), f.Tag.Get("help"))
		if arg := f.Tag.Get("arg"); arg != "" {
			help = "`" + arg + "` " + help
		}
		switch p := v.Field(i).Addr().Interface().(type) {
		case *string:
			fs.StringVar(p, name, *p, help)
		case *bool:
			fs.BoolVar(p, name, *p, help)
		case *int:
			fs.IntVar(p, name, *p, help)
		case *uint64:
			fs.Uint64Var(p, name, *p, help)
		case *time.Duration:
			fs.DurationVar(p, name, *p, help)
		case *float64:
			fs.Float64Var(p, name, *p, help)
		case **float64:
			fs.Var(&optionalFlag{p}, name, help)
		case *[]string:
			fs.Var(&listFlag{to: p}, name, help)
		case *int64:
			fs.Var((*Size)(p), name, help)
		default:
			panic(fmt.Sprintf("option: option %s of type %v has no flag form", name, f.Type))
		}
	}
}

// listFlag is a flag that may be given again.
type listFlag struct {
	to    *[]string
	given bool
}

func (l *listFlag) String() string {
	if l.to == nil {
		return ""
	}
	return strings.Join(*l.to, " ")
}

func (l *listFlag) Set(s string) error {
	if !l.given {
		*l.to, l.given = nil, true
	}
	*l.to = append(*l.to, s)
	return nil
}

// optionalFlag is a number that may be absent.
type optionalFlag struct{ to **float64 }

func (o *optionalFlag) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return strconv.FormatFloat(**o.to, 'g', -1, 64)
}

func (o *optionalFlag) Set(s string) error {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number", s)
	}
	*o.to = &x
	return nil
}

// Size is a number of bytes, written as 512, 64KB, 1.5GiB: decimal units in powers of 1000, those
// with an i in powers of 1024. A single letter (64K) is the power of 1024.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40},
	{"B", 1}, {"", 1},
}

// Set parses the written form.
func (s *Size) Set(text string) error {
	up := strings.ToUpper(strings.TrimSpace(text))
	for _, u := range sizeUnits {
		num, ok := strings.CutSuffix(up, u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err != nil || !(x >= 0) || x*u.bytes >= 1<<62 {
			break
		}
		*s = Size(x * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size like 512MiB or 2GB", text)
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		suffix string
		bytes  Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.suffix)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText and UnmarshalText give YAML and JSON the written form.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Size) UnmarshalText(b []byte) error { return s.Set(string(b)) }
