// Command serve answers over HTTP what a tuned model takes a picture or sound for.
//
//	serve -listen 127.0.0.1:8080 TUNED.onnx
//	curl --data-binary @cat.jpg http://127.0.0.1:8080/
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/permafrost-ml/permafrost"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: serve [-listen ADDRESS] TUNED.onnx")
	}
	m, err := permafrost.Open(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/ knows %d labels\n", l.Addr(), len(m.Labels()))
	log.Fatal(http.Serve(l, handler(m)))
}

// handler answers requests side by side: a Model is safe for many goroutines.
func handler(m *permafrost.Model) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		p, err := m.PredictOne(r.Context(), permafrost.Example{Name: r.URL.Path, Bytes: b})
		switch {
		case errors.Is(err, permafrost.ErrBadInput):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(p) // who has hung up needs no answer
		}
	})
}
