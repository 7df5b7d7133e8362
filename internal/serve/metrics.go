package serve

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// numbers are what the server counts, for Prometheus.
type numbers struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	answers  *prometheus.CounterVec
	examples prometheus.Counter
	asked    prometheus.Counter
	batches  prometheus.Histogram
	running  prometheus.Counter
	reloads  *prometheus.CounterVec
}

func newNumbers(s *Server) *numbers {
	n := &numbers{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "permafrost_requests_total", Help: "Inference requests, by model and HTTP status."}, []string{"model", "code"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "permafrost_request_seconds", Help: "How long inference requests took, from the head of a request to its answer.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}, []string{"model"}),
		answers:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "permafrost_answers_total", Help: "Examples that were answered, by model."}, []string{"model"}),
		examples: prometheus.NewCounter(prometheus.CounterOpts{Name: "permafrost_examples_total", Help: "Examples that went through the networks: equal ones of a batch go once, whoever asks."}),
		asked:    prometheus.NewCounter(prometheus.CounterOpts{Name: "permafrost_outputs_total", Help: "Outputs of models that examples asked for."}),
		batches:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "permafrost_batch_examples", Help: "Examples in a batch.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		running:  prometheus.NewCounter(prometheus.CounterOpts{Name: "permafrost_batch_seconds_total", Help: "How long batches ran."}),
		reloads:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "permafrost_reloads_total", Help: "Changed files, by model and by whether they could be used."}, []string{"model", "result"}),
	}
	n.registry.MustRegister(n.requests, n.seconds, n.answers, n.examples, n.asked, n.batches, n.running, n.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "permafrost_requests_in_work", Help: "Inference requests that wait or are in work."}, func() float64 { return float64(len(s.slots)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "permafrost_body_bytes", Help: "Bytes of the requests in work."}, func() float64 { return float64(s.body.taken.Load()) }),
	)
	return n
}

func (n *numbers) batch(examples, asked int, took time.Duration) {
	n.examples.Add(float64(examples))
	n.asked.Add(float64(asked))
	n.batches.Observe(float64(examples))
	n.running.Add(took.Seconds())
}

func (n *numbers) handler() http.Handler {
	return promhttp.HandlerFor(n.registry, promhttp.HandlerOpts{})
}
