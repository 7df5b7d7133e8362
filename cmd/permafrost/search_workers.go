package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/search"
)

// searchWith runs a search on workers where any option says so, of which count are started here.
func searchWith(cmd *cobra.Command, cfg permafrost.Config, o search.Options, w search.Workers, count int) (*search.Result, error) {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	if count == 0 && w.NATS == (permafrost.NATS{}) && w.Listen == "" && w.Replicas == 0 {
		return search.Run(ctx, cfg, o)
	}
	var all *helpers
	defer func() { all.end() }()
	w.Here = count > 0 && w.URL == "" && w.Listen == ""
	w.OnURL = func(address string) {
		if w.Listen != "" {
			tellURL(cmd, address)
		}
		if count > 0 {
			all = startHelpers(ctx, count, cfg, w.NATS, address, cancel)
		}
	}
	o.Workers = &w
	r, err := search.Run(ctx, cfg, o)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return nil, cause
	}
	return r, err
}

// helpers are the workers that a search starts on its own machine, as processes of this program.
type helpers struct {
	args []string
	env  []string
	url  string
	fail context.CancelCauseFunc // of the search, where no worker is left

	ctx   context.Context
	stop  context.CancelFunc
	ended sync.WaitGroup
	mu    sync.Mutex
	left  int
}

// startHelpers starts n workers, each with an equal share of the threads.
func startHelpers(ctx context.Context, n int, cfg permafrost.Config, nats permafrost.NATS, url string, fail context.CancelCauseFunc) *helpers {
	h := &helpers{url: url, fail: fail, left: n, env: os.Environ()}
	h.ctx, h.stop = context.WithCancel(ctx)
	threads := cmp.Or(cfg.Threads, runtime.GOMAXPROCS(0))
	h.args = []string{"worker", "--nats", "-", "--threads", fmt.Sprint(max(1, threads/n))}
	if cfg.Cache == "off" || cfg.Cache == "ram" {
		h.env = append(h.env, "PERMAFROST_CACHE=off")
	}
	for _, f := range [][2]string{{"--creds", nats.Credentials}, {"--tlsca", nats.CA}, {"--tlscert", nats.Cert}, {"--tlskey", nats.Key}} {
		if f[1] != "" {
			h.args = append(h.args, f[0], f[1])
		}
	}
	for i := range n {
		h.ended.Go(func() { h.keep(fmt.Sprintf("w%d", i+1)) })
	}
	return h
}

// end stops the workers and waits for them.
func (h *helpers) end() {
	if h != nil {
		h.stop()
		h.ended.Wait()
	}
}

// keep runs a worker, and starts it again where it was killed or has crashed.
func (h *helpers) keep(name string) {
	pause := 100 * time.Millisecond
	for {
		err := h.run(name)
		if h.ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errKilled) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.left--; h.left == 0 {
				h.fail(fmt.Errorf("no worker is left: %w", err))
			}
			return
		}
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
			return
		}
		pause = min(2*pause, 10*time.Second)
	}
}

// errKilled is the error of a worker that was killed or has crashed.
var errKilled = errors.New("a worker was killed, or has crashed")

// run runs a worker until it ends, and returns its error. It is told the address by its stdin, which
// other users cannot see; where this process ends, so does that, and with it the worker.
func (h *helpers) run(name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(h.ctx, self, append(h.args, "--name", name)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = in.Close // which lets it hand back its trial
	cmd.Env = h.env
	cmd.WaitDelay = 10 * time.Second
	said := &lastLines{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return err
	}
	_, _ = io.WriteString(in, h.url+"\n") // one that does not read it has ended
	err = cmd.Wait()
	_ = in.Close()
	text := strings.TrimSpace(string(said.b))
	switch code := cmd.ProcessState.ExitCode(); {
	case code < 0 || code == 2 && strings.Contains(text, "\ngoroutine "): // a signal, or a panic
		return errKilled
	case text == "":
		return errors.Join(errors.New("a worker has ended"), err)
	}
	return errors.New(strings.TrimPrefix(text[strings.LastIndex(text, "\n")+1:], "permafrost worker: "))
}

// lastLines keeps the end of what is written.
type lastLines struct{ b []byte }

func (w *lastLines) Write(p []byte) (int, error) {
	const most = 64 << 10
	w.b = append(w.b, p...)
	w.b = w.b[max(0, len(w.b)-most):]
	return len(p), nil
}

// tellURL says how workers join, with an address that other machines know.
func tellURL(cmd *cobra.Command, address string) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			if name, err := os.Hostname(); err == nil {
				u.Host = net.JoinHostPort(name, port)
			}
		}
	}
	note(cmd, "workers join with: permafrost worker --nats %s", u)
}
