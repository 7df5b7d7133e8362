// Command serve measures a server of models: clients that ask again as soon as they are answered. It
// sends float32 tensors [1,3,224,224], a different picture for each client and model, in the Open
// Inference Protocol, or with -plain as bodies alone, as bench/peers/ort_serve.mjs takes them.
//
//	serve -url http://127.0.0.1:8080 -models t0,t1 -clients 8 -seconds 5
//	serve -url http://127.0.0.1:8081 -models 0,1 -clients 8 -seconds 5 -plain
//
// With -all every request asks all models about one picture.
package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const pixels = 3 * 224 * 224

func main() {
	url := flag.String("url", "http://127.0.0.1:8080", "`URL` of the server")
	models := flag.String("models", "", "`NAMES` of models, with commas")
	clients := flag.Int("clients", 1, "`N` that ask at once")
	seconds := flag.Float64("seconds", 5, "`X` to measure, after a tenth to warm up")
	all := flag.Bool("all", false, "ask all models about one picture in one request")
	plain := flag.Bool("plain", false, "the server is bench/peers/ort_serve.mjs")
	pid := flag.Int("pid", 0, "`ID` of the server's process, whose processor time is measured (Linux)")
	flag.Parse()
	names := strings.Split(*models, ",")
	asks := make([]func() error, max(len(names), *clients))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *clients}}
	for i := range asks {
		name := names[i%len(names)]
		body, head := request(uint64(i), *all, *plain)
		to := *url + "/v2/models/" + name + "/infer"
		if *plain {
			if to = *url + "/" + name; *all {
				to = *url + "/all"
			}
		}
		asks[i] = func() error { return ask(client, to, body, head) }
	}
	for _, ask := range asks[:len(names)] { // compiled, warm
		if err := ask(); err != nil {
			log.Fatal(err)
		}
	}
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	begin := time.Now().Add(time.Duration(*seconds / 10 * float64(time.Second)))
	end := begin.Add(time.Duration(*seconds * float64(time.Second)))
	var work sync.WaitGroup
	for c := range *clients {
		work.Go(func() {
			for k := c; time.Now().Before(end); k += *clients {
				at := time.Now()
				err := asks[k%len(asks)]()
				mu.Lock()
				if err != nil {
					failed = err
				}
				if now := time.Now(); now.After(begin) && now.Before(end) {
					took = append(took, now.Sub(at))
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Until(begin))
	before := processor(*pid)
	time.Sleep(time.Until(end))
	used := processor(*pid) - before
	work.Wait()
	if failed != nil {
		log.Fatal(failed)
	}
	slices.Sort(took)
	if len(took) == 0 {
		log.Fatal("no request was answered in time")
	}
	p := func(q float64) float64 {
		return took[min(len(took)-1, int(q*float64(len(took))))].Seconds() * 1000
	}
	fmt.Printf("%.1f requests/s  p50 %.1f ms  p99 %.1f ms", float64(len(took))/end.Sub(begin).Seconds(), p(0.5), p(0.99))
	if *pid > 0 {
		fmt.Printf("  %.1f ms of processor time a request", used.Seconds()*1000/float64(len(took)))
	}
	fmt.Println()
}

// processor is the time that a process has had, user and system.
func processor(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if pid == 0 || err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')'):]))
	user, _ := strconv.Atoi(f[12])
	system, _ := strconv.Atoi(f[13])
	return time.Duration(user+system) * 10 * time.Millisecond // ticks of Linux
}

// request is the body of a request about a picture of noise, and the size of its JSON, 0 for none.
func request(seed uint64, all, plain bool) (body []byte, head int) {
	r := rand.New(rand.NewPCG(seed, 1))
	if !plain {
		more := ""
		if all {
			more = `"parameters":{"models":"*"},`
		}
		body = fmt.Appendf(nil, `{%s"inputs":[{"name":"image","shape":[1,3,224,224],"datatype":"FP32","parameters":{"binary_data_size":%d}}],"outputs":[{"name":"scores"}]}`, more, 4*pixels)
		head = len(body)
	}
	for range pixels {
		body = binary.LittleEndian.AppendUint32(body, math.Float32bits(float32(r.NormFloat64())))
	}
	return body, head
}

func ask(client *http.Client, url string, body []byte, head int) error {
	r, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if head > 0 {
		r.Header.Set("Inference-Header-Content-Length", strconv.Itoa(head))
	}
	w, err := client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", w.StatusCode, b)
	}
	return err
}
