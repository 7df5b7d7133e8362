package cluster

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// line is a connection between a worker and its server that can be held: what is sent is kept
// back, and nobody is told, as when a cable is pulled.
type line struct {
	url  string
	mu   sync.Mutex
	free *sync.Cond
	held bool
}

func (l *line) hold(on bool) {
	l.mu.Lock()
	l.held = on
	l.mu.Unlock()
	l.free.Broadcast()
}

func (l *line) wait() {
	l.mu.Lock()
	for l.held {
		l.free.Wait()
	}
	l.mu.Unlock()
}

// proxy gives a line to the server at address.
func proxy(t *testing.T, address string) *line {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = in.Addr().String()
	l := &line{url: u.String()}
	l.free = sync.NewCond(&l.mu)
	var conns sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	conns.Go(func() {
		for {
			a, err := in.Accept()
			if err != nil {
				return
			}
			b, err := net.DialTimeout("tcp", to, time.Second)
			if err != nil {
				a.Close()
				continue
			}
			mu.Lock()
			open = append(open, a, b)
			mu.Unlock()
			pass := func(from, to net.Conn) {
				buf := make([]byte, 32<<10)
				for {
					n, err := from.Read(buf)
					l.wait()
					if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
						break
					}
				}
				from.Close()
				to.Close()
			}
			conns.Go(func() { pass(a, b) })
			conns.Go(func() { pass(b, a) })
		}
	})
	t.Cleanup(func() {
		l.hold(false)
		in.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return l
}
