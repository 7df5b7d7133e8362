package cluster

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// freePorts gives addresses at which nobody listens.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// threeNodes starts a cluster of three servers.
func threeNodes(t *testing.T) (nodes []*server.Server, address string) {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", p)})
	}
	var urls []string
	for i, p := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: p}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("a server does not start")
		}
		urls = append(urls, s.ClientURL())
	}
	return nodes, strings.Join(urls, ",")
}

// TestReplicas ends one of three servers in the middle, the one that leads the stream of jobs.
func TestReplicas(t *testing.T) {
	needsTime(t)
	nodes, address := threeNodes(t)
	c, events := open(t, Options{URL: address, Replicas: 3, Lapse: 2 * time.Second, Cache: t.TempDir()})
	q := openQueue(t, c, "a")
	ctx := soon(t)
	content := noise(200_000)
	d, err := c.Put(ctx, strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	const jobs = 150
	var runs atomic.Int64
	for i := range 3 {
		w, _ := open(t, Options{URL: address})
		work(t, w, fmt.Sprint("w", i), func(ctx context.Context, j Job) ([]byte, error) {
			runs.Add(1)
			time.Sleep(20 * time.Millisecond)
			return double(ctx, j)
		})
	}
	if err := q.Submit(ctx, submissions(0, jobs)...); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return runs.Load() > 30 }, "the workers")
	s, err := c.js.Stream(ctx, jobsStream)
	if err != nil {
		t.Fatal(err)
	}
	info := s.CachedInfo()
	if info.Config.Replicas != 3 {
		t.Errorf("%d replicas", info.Config.Replicas)
	}
	for _, n := range nodes {
		if n.Name() == info.Cluster.Leader {
			n.Shutdown()
		}
	}
	collect(t, q, jobs)
	if n := runs.Load(); n < jobs || n > jobs+9 {
		t.Errorf("%d jobs took %d attempts\n%s", jobs, n, events)
	}
	if _, err := c.Fetch(ctx, d); err != nil {
		t.Error(err)
	}
}
