package space

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// YAML writes the space as a file that Parse reads back to the same space.
func (s *Space) YAML() []byte {
	var b bytes.Buffer
	for i := range s.params {
		fmt.Fprintf(&b, "%s: %s\n", plain(Text(s.params[i].Name)), s.params[i].flow())
	}
	if s.limits.Params > 0 {
		fmt.Fprintf(&b, "max_params: %d\n", s.limits.Params)
	}
	if s.limits.Bytes > 0 {
		fmt.Fprintf(&b, "max_bytes: %s\n", option.Size(s.limits.Bytes))
	}
	if s.limits.LatencyMS > 0 {
		fmt.Fprintf(&b, "max_latency_ms: %v\n", s.limits.LatencyMS)
	}
	return b.Bytes()
}

// flow writes what a file says of one parameter.
func (p *Param) flow() string {
	var form string
	switch {
	case p.Kind == Int:
		form = fmt.Sprintf("int: [%v, %v]", Number(p.Low), Number(p.High))
	case p.Kind == Float && p.Log:
		form = fmt.Sprintf("log: [%v, %v]", Number(p.Low), Number(p.High))
	case p.Kind == Float:
		form = fmt.Sprintf("float: [%v, %v]", Number(p.Low), Number(p.High))
	case p.Kind == Ordered:
		form = "ordered: " + plainList(p.Values)
	default:
		form = "choice: " + plainList(p.Values)
	}
	if p.Log && p.Kind == Int {
		form += ", log: true"
	}
	for i, c := range p.When {
		if i == 0 {
			form += ", when: {"
		} else {
			form += ", "
		}
		form += plain(Text(c.Param)) + ": " + plainList(c.In)
	}
	if len(p.When) > 0 {
		form += "}"
	}
	return "{" + form + "}"
}

func plainList(values []Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = plain(v)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// plain writes a value for YAML: words without quotes, all else as JSON, which YAML reads too.
func plain(v Value) string {
	if v.kind == text && word.MatchString(v.text) {
		switch strings.ToLower(v.text) {
		case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		default:
			return v.text
		}
	}
	return string(quoted(v))
}
