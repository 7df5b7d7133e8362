package cluster

import (
	"fmt"
	"strings"
	"sync"
)

// serverLog hands the warnings and errors of an embedded server on as events. It prints nothing.
type serverLog struct {
	teller *teller
	mu     sync.Mutex
	text   string
}

func (l *serverLog) tell(format string, v []any) {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	l.mu.Lock()
	l.text = text
	l.mu.Unlock()
	l.teller.say(Event{Kind: Warned, Text: "server: " + text})
}

// last is the last line, for the error of a server that did not start.
func (l *serverLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return "it said nothing"
	}
	return l.text
}

func (l *serverLog) Warnf(format string, v ...any)  { l.tell(format, v) }
func (l *serverLog) Errorf(format string, v ...any) { l.tell(format, v) }
func (l *serverLog) Fatalf(format string, v ...any) { l.tell(format, v) }
func (l *serverLog) Noticef(string, ...any)         {}
func (l *serverLog) Debugf(string, ...any)          {}
func (l *serverLog) Tracef(string, ...any)          {}
