package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/serve"
)

func init() { register(groupUse, "serve", serveCommand) }

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --model MODEL...",
		Short: "Serve models over HTTP",
		Long: `serve answers requests over HTTP with tuned models, in the Open Inference Protocol (version 2, as KServe,
Triton and others speak it). Pictures, sounds and texts are sent as they are; the tuned file says how
they are prepared. Labels come back by name.

--model is [NAME=]PATH, a tuned file or the folder of a run, or [NAME=]BASE+DELTA, and may be given many
times. Models that were tuned from one base share its frozen part: it runs once for a batch of
requests, and each model adds its own part. A changed file is loaded again; if it cannot be used, the
old model stays.

It listens on this machine alone, unless --listen names another address. It has no passwords and no
TLS: put a proxy that has them in front of it. Ctrl-C or SIGTERM ends it when running requests are
answered.
docs/serve.md has the requests, limits and metrics.`,
		Example: `  permafrost serve --model runs/photos-1
  permafrost serve --model cats=runs/cats --model dogs=mobilenet.onnx+dogs.safetensors --listen 127.0.0.1:9000
  curl -H "Content-Type: image/jpeg" --data-binary @a.jpg http://127.0.0.1:8080/v2/models/photos-1/infer`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o := serve.Options{}.Defaults()
	models := fs.StringArray("model", nil, "`MODEL` [NAME=]PATH or [NAME=]BASE+DELTA; may be given again")
	required(cmd, "model")
	files(cmd, "model", "onnx")
	listen := fs.String("listen", "127.0.0.1:8080", "`ADDR` address to listen on; port 0 takes a free one")
	fs.IntVar(&o.MaxBatch, "max-batch", o.MaxBatch, "`N` most examples that run at once")
	fs.DurationVar(&o.MaxWait, "max-wait", o.MaxWait, "`TIME` how long a batch waits for examples that are arriving")
	fs.IntVar(&o.Queue, "queue", o.Queue, "`N` most requests that wait or run; others get status 503 with Retry-After")
	fs.Int64Var(&o.MaxBody, "max-body", o.MaxBody, "`BYTES` largest request body")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "`TIME` longest time of a request")
	fs.DurationVar(&o.Poll, "poll", o.Poll, "`TIME` how often files are checked for changes; 0: never")
	fs.DurationVar(&o.Grace, "grace", o.Grace, "`TIME` how long running requests may take when the server stops")
	fs.IntVar(&o.Threads, "threads", 0, threadsHelp)
	asJSON := fs.Bool("json", false, "print the addresses as one JSON object on stdout")
	given := preparationFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		for _, arg := range *models {
			m, err := serve.ParseModel(arg)
			if err != nil {
				return fmt.Errorf("--model: %w", err)
			}
			o.Models = append(o.Models, m)
		}
		if o.Preparation, err = given.config(); err != nil {
			return err
		}
		for name, zero := range map[string]bool{"max-batch": o.MaxBatch == 0, "queue": o.Queue == 0, "max-body": o.MaxBody == 0, "timeout": o.Timeout == 0, "grace": o.Grace == 0} {
			if zero { // which the library takes for the default
				return fmt.Errorf("--%s 0: above 0", name)
			}
		}
		if fs.Changed("max-wait") && o.MaxBatch == 1 {
			note(cmd, "--max-wait does nothing with --max-batch 1: no example waits for others")
		}
		if o.MaxWait == 0 {
			o.MaxWait = -1
		}
		if o.Poll == 0 {
			o.Poll = -1
		}
		o.Memory = 0 // follows from --max-body
		var mu sync.Mutex
		o.Say = func(msg string) {
			mu.Lock()
			defer mu.Unlock()
			note(cmd, "%s", msg)
		}
		limitGarbage(serverPercent)
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("--listen %s: %w", *listen, err)
		}
		defer l.Close()
		s, err := serve.New(cmd.Context(), o)
		if err != nil {
			return err
		}
		defer s.Close()
		if at, err := netip.ParseAddrPort(l.Addr().String()); err == nil && !at.Addr().IsLoopback() {
			o.Say(fmt.Sprintf("%s can be reached from other machines, and everybody there may ask: serve has no passwords", l.Addr()))
		}
		if err := printAddresses(cmd.OutOrStdout(), fmt.Sprintf("http://%s/v2", l.Addr()), o.Models, *asJSON); err != nil {
			return err
		}
		return s.Serve(cmd.Context(), l)
	}
	return cmd
}

// printAddresses prints where the server listens, and where each model answers.
func printAddresses(w io.Writer, url string, models []serve.Model, asJSON bool) error {
	infer := map[string]string{}
	text := url + "\n"
	for _, m := range models {
		path := fmt.Sprintf("/models/%s/infer", m.Name)
		infer[m.Name] = url + path
		text += fmt.Sprintf("  POST /v2%s\n", path)
	}
	if asJSON {
		return printJSON(w, map[string]any{"url": url, "models": infer})
	}
	_, err := io.WriteString(w, text)
	return err
}
