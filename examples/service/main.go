// Command service fine-tunes on request. A POST names data and gets the progress as lines. Who
// hangs up interrupts the run, which has saved a checkpoint; posted again, it goes on.
//
//	service -listen 127.0.0.1:8080 MODEL.onnx RUNS
//	curl -X POST 'http://127.0.0.1:8080/fit?name=first&data=photos'
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: service [-listen ADDRESS] MODEL.onnx RUNS")
	}
	http.HandleFunc("POST /fit", func(w http.ResponseWriter, r *http.Request) {
		fit(w, r, flag.Arg(0), flag.Arg(1))
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/\n", l.Addr())
	log.Fatal(http.Serve(l, nil))
}

func fit(w http.ResponseWriter, r *http.Request, model, runs string) {
	out := filepath.Join(runs, filepath.Clean("/"+r.FormValue("name"))) // no name leads out of runs
	cfg, start := permafrost.DefaultConfig(), permafrost.Fit
	if old, err := permafrost.LoadRun(out); err == nil {
		cfg, start = old, permafrost.Resume
	}
	cfg.Model, cfg.Data, cfg.Out = model, r.FormValue("data"), out
	lines := http.NewResponseController(w)
	result, err := start(r.Context(), cfg, permafrost.OnEvent(func(e permafrost.Event) {
		if e, ok := e.(*permafrost.EpochEnd); ok {
			fmt.Fprintf(w, "epoch %d: accuracy %.1f%%\n", e.Epoch, 100*e.Val.Accuracy)
			_ = lines.Flush() // who has hung up is noticed by the context
		}
	}))
	switch {
	case errors.Is(err, permafrost.ErrInterrupted):
		log.Printf("%s: interrupted; post it again", out)
	case err != nil:
		fmt.Fprintln(w, "error:", err)
	default:
		fmt.Fprintf(w, "done: accuracy %.1f%%, %s\n", 100*result.ValAccuracy, filepath.Join(out, permafrost.ModelFile))
	}
}
