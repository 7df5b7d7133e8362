package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/ui"
)

// tokenVariable is the environment variable with the token of the page.
const tokenVariable = "PERMAFROST_UI_TOKEN"

func init() { register(groupStart, "ui", uiCommand) }

func uiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "Show runs, and plan new ones, in a browser",
		Long: `ui serves a page for a browser: the runs of a folder, live and past, each with its curves and its
report, several side by side, searches and federations; and a plan page, where layers of a model are
thawed and frozen by a click, with the predicted time, memory, checkpoint and cache beside it. It
starts runs, as processes of their own, and stops them.

It shows the runs in --runs, opens models in --models and trains on data in --data, and reads nothing
else. It listens on this machine alone. Any other address needs a token: --token, the environment
variable ` + tokenVariable + `, or one that is made and printed. Ctrl-C or SIGTERM ends it; runs
that it started save a checkpoint and end too.
docs/ui.md has more.`,
		Example: `  permafrost ui
  permafrost ui --runs experiments --models models --data photos --data questions.csv
  permafrost ui --listen 0.0.0.0:8090 --host lab.example.org`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o := ui.Options{AtOnce: 2}
	fs.StringVar(&o.Runs, "runs", "runs", "`DIR` folder of the runs; made if it does not exist")
	fs.StringArrayVar(&o.Models, "models", []string{"."}, "`PATH` a model, or a folder with models, for the plan page; may be given again")
	fs.StringArrayVar(&o.Data, "data", []string{"."}, "`PATH` data, or a folder with data, for the plan page; may be given again")
	listen := fs.String("listen", "127.0.0.1:8090", "`ADDR` address to listen on; port 0 takes a free one")
	fs.StringVar(&o.Token, "token", "", "`TOKEN` secret that a browser must present (default: none on this machine, else one is made)")
	fs.StringArrayVar(&o.Hosts, "host", nil, "`NAME` host name under which browsers may open the page, beside localhost and IP addresses; may be given again")
	fs.IntVar(&o.AtOnce, "at-once", o.AtOnce, "`N` most runs that train at once")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.AtOnce < 1 {
			return fmt.Errorf("--at-once %d: at least 1", o.AtOnce)
		}
		if os.Getenv("GOGC") == "" { // pages are garbage soon, other than the buffers of a fit
			debug.SetGCPercent(100)
		}
		program, err := os.Executable()
		if err != nil {
			return err
		}
		o.Program = []string{program, "fit"}
		if o.Token == "" {
			o.Token = os.Getenv(tokenVariable)
		}
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("--listen %s: %w", *listen, err)
		}
		defer l.Close()
		if host, _, err := net.SplitHostPort(*listen); err == nil && host != "" {
			o.Hosts = append(o.Hosts, host)
		}
		if !ui.Local(l.Addr()) {
			if o.Token == "" {
				o.Token = ui.NewToken()
			}
			note(cmd, "%s can be reached from other machines: whoever has the token may look at the runs and start some. Nothing is encrypted: put a server with TLS in front of it", l.Addr())
		}
		s, err := ui.New(o)
		if err != nil {
			return err
		}
		defer s.Close()
		at := url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/"}
		if o.Token != "" {
			at.RawQuery = url.Values{"token": {o.Token}}.Encode()
		}
		fmt.Fprintln(cmd.OutOrStdout(), at.String())
		return s.Serve(cmd.Context(), l)
	}
	return cmd
}
