package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The test binary plays other processes: CLUSTER_TEST_ROLE says which.
//
//	worker       works at CLUSTER_TEST_URL until it is killed
//	crasher      the same, but dies in every job
//	coordinator  opens CLUSTER_TEST_STORE, flushed every CLUSTER_TEST_FLUSH, submits CLUSTER_TEST_JOBS jobs and waits
//	server       is a NATS server on CLUSTER_TEST_STORE at CLUSTER_TEST_PORT
func play(role string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	opt := Options{Version: "1", Lapse: time.Second, URL: os.Getenv("CLUSTER_TEST_URL"), Store: os.Getenv("CLUSTER_TEST_STORE")}
	switch role {
	case "worker", "crasher":
		c, err := Open(ctx, opt)
		if err != nil {
			return fail(err)
		}
		defer c.Close()
		return fail(c.Work(ctx, "work", os.Getenv("CLUSTER_TEST_NAME"), func(ctx context.Context, j Job) ([]byte, error) {
			if role == "crasher" {
				os.Exit(3)
			}
			logRun(j)
			time.Sleep(20 * time.Millisecond)
			return double(ctx, j)
		}))
	case "coordinator":
		opt.Listen = "127.0.0.1:0"
		opt.Flush, _ = time.ParseDuration(os.Getenv("CLUSTER_TEST_FLUSH"))
		c, err := Open(ctx, opt)
		if err != nil {
			return fail(err)
		}
		q, err := c.OpenQueue(ctx, "work", "a")
		if err != nil {
			return fail(err)
		}
		n, _ := strconv.Atoi(os.Getenv("CLUSTER_TEST_JOBS"))
		if err := q.Submit(ctx, submissions(0, n)...); err != nil {
			return fail(err)
		}
		fmt.Println(c.URL())
		for range n {
			if _, err := q.Next(ctx); err != nil {
				return fail(err)
			}
		}
		return 0
	case "server":
		port, _ := strconv.Atoi(os.Getenv("CLUSTER_TEST_PORT"))
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: opt.Store, SyncAlways: true, NoLog: true})
		if err != nil {
			return fail(err)
		}
		s.Start()
		if !s.ReadyForConnections(10 * time.Second) {
			return 1
		}
		fmt.Println(s.ClientURL())
		end := make(chan os.Signal, 1)
		signal.Notify(end, os.Interrupt)
		select {
		case <-end:
		case <-ctx.Done():
		}
		s.Shutdown()
		return 0
	}
	return fail(fmt.Errorf("no such role"))
}

// logRun keeps a line of each attempt in a file that all workers write.
func logRun(j Job) {
	f, err := os.OpenFile(os.Getenv("CLUSTER_TEST_LOG"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, j.ID)
		f.Close()
	}
}

// runsIn counts the attempts in a log.
func runsIn(log string) int {
	b, _ := os.ReadFile(log)
	return strings.Count(string(b), "\n")
}

// process starts another process. It is killed at the end.
func process(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CLUSTER_TEST_ROLE="+role)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		if cmd.Process != nil {
			kill(cmd)
		}
	})
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
}

func start(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// startSaying starts a process and gives the first line that it prints.
func startSaying(t *testing.T, cmd *exec.Cmd) (*exec.Cmd, string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	var line string
	if _, err := fmt.Fscanln(out, &line); err != nil {
		t.Fatal(err)
	}
	return cmd, line
}

// TestKillWorker kills two of three workers, each in a job.
func TestKillWorker(t *testing.T) {
	needsTime(t)
	c, events := open(t, Options{Listen: "127.0.0.1:0"})
	q := openQueue(t, c, "a")
	log := filepath.Join(t.TempDir(), "runs")
	var workers []*exec.Cmd
	for _, name := range []string{"a", "b", "c"} {
		workers = append(workers, start(t, process(t, "worker", "CLUSTER_TEST_URL="+c.URL(), "CLUSTER_TEST_NAME="+name, "CLUSTER_TEST_LOG="+log)))
	}
	const jobs = 150
	if err := q.Submit(soon(t), submissions(0, jobs)...); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return events.count(Started) > 10 }, "the workers")
	kill(workers[0])
	waitFor(t, func() bool { return events.count(Started) > 50 }, "the workers")
	kill(workers[1])
	collect(t, q, jobs)
	if n := runsIn(log); n < jobs || n > jobs+2 {
		t.Errorf("%d jobs took %d attempts, with two workers killed", jobs, n)
	}
}

// TestPoison gives up a job that kills its worker.
func TestPoison(t *testing.T) {
	needsTime(t)
	c, events := open(t, Options{Listen: "127.0.0.1:0"})
	q := openQueue(t, c, "a")
	if err := q.Submit(soon(t), Submission{ID: "bad"}); err != nil {
		t.Fatal(err)
	}
	for range attempts {
		cmd := start(t, process(t, "crasher", "CLUSTER_TEST_URL="+c.URL(), "CLUSTER_TEST_NAME=crash"))
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
			t.Fatal(err)
		}
	}
	work(t, c, "last", func(context.Context, Job) ([]byte, error) {
		t.Error("a fourth attempt")
		return nil, nil
	})
	r, err := q.Next(soon(t))
	if err != nil || len(r.Poisoned) != attempts || !strings.Contains(r.Poisoned[2], "attempt 3: worker crash was lost") {
		t.Errorf("%+v, %v\n%s", r, err, events)
	}
}

// TestKillCoordinator kills a coordinator with its embedded server in the middle, and opens another.
// How often the server flushes makes no difference.
func TestKillCoordinator(t *testing.T) {
	needsTime(t)
	for _, flush := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint("flush ", flush), func(t *testing.T) { killCoordinator(t, flush) })
	}
}

func killCoordinator(t *testing.T, flush time.Duration) {
	store, log := t.TempDir(), filepath.Join(t.TempDir(), "runs")
	const jobs = 150
	first, url := startSaying(t, process(t, "coordinator", "CLUSTER_TEST_STORE="+store, "CLUSTER_TEST_JOBS="+strconv.Itoa(jobs), "CLUSTER_TEST_FLUSH="+flush.String()))
	for _, name := range []string{"a", "b"} {
		start(t, process(t, "worker", "CLUSTER_TEST_URL="+url, "CLUSTER_TEST_NAME="+name, "CLUSTER_TEST_LOG="+log))
	}
	waitFor(t, func() bool { return runsIn(log) > 20 }, "the workers")
	kill(first)
	time.Sleep(100 * time.Millisecond)
	c, events := open(t, Options{Store: store, Listen: "127.0.0.1:0", Flush: flush})
	if c.URL() != url {
		t.Fatalf("%s after %s", c.URL(), url)
	}
	q := openQueue(t, c, "a")
	if err := q.Submit(soon(t), submissions(0, jobs)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, jobs)
	if n := runsIn(log); n < jobs || n > jobs+2 {
		t.Errorf("%d jobs of two workers took %d attempts\n%s", jobs, n, events)
	}
}

// TestKillServer kills the server, which is a process of its own, twice in the middle.
func TestKillServer(t *testing.T) {
	needsTime(t)
	store, log := t.TempDir(), filepath.Join(t.TempDir(), "runs")
	run := func(port string) (*exec.Cmd, string) {
		return startSaying(t, process(t, "server", "CLUSTER_TEST_STORE="+store, "CLUSTER_TEST_PORT="+port))
	}
	nats, url := run("-1")
	port := url[strings.LastIndex(url, ":")+1:]
	c, events := open(t, Options{URL: url})
	q := openQueue(t, c, "a")
	start(t, process(t, "worker", "CLUSTER_TEST_URL="+url, "CLUSTER_TEST_NAME=a", "CLUSTER_TEST_LOG="+log))
	const jobs = 60
	if err := q.Submit(soon(t), submissions(0, jobs)...); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return runsIn(log) > 10 }, "the worker")
	kill(nats)
	time.Sleep(300 * time.Millisecond)
	nats, _ = run(port)
	read := func() int {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.answered)
	}
	waitFor(t, func() bool { return read() > 30 }, "the results")
	// A server that comes back with nothing gets everything again whose result was not read.
	kill(nats)
	if err := os.RemoveAll(filepath.Join(store, "jetstream")); err != nil {
		t.Fatal(err)
	}
	run(port)
	collect(t, q, jobs)
	if n := runsIn(log); n < jobs || n > jobs+10 {
		t.Errorf("%d jobs took %d attempts\n%s", jobs, n, events)
	}
	if events.count(Reconnected) < 2 || events.count(Resubmitted) == 0 {
		t.Errorf("events:\n%s", events)
	}
}

func needsTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts processes and takes seconds")
	}
}
