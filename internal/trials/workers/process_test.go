package workers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

// The test binary plays other processes: the variable says which, a worker or a server.
const roleKey = "WORKERS_TEST_ROLE"

func play() int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	switch os.Getenv(roleKey) {
	case "server":
		c, err := cluster.Open(ctx, cluster.Options{Store: os.Getenv("WORKERS_TEST_STORE"), Listen: "127.0.0.1:" + os.Getenv("WORKERS_TEST_PORT"), Version: "server"})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer c.Close()
		fmt.Println(c.URL())
		stopped, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
		<-stopped.Done()
		return 0
	default:
		o := WorkOptions{Cluster: cluster.Options{URL: os.Getenv("WORKERS_TEST_URL")}, Name: os.Getenv("WORKERS_TEST_NAME"), Tell: func(string) {}}
		if trial := os.Getenv("WORKERS_TEST_DIE"); trial != "" {
			o.before = func(job string) {
				if strings.HasPrefix(job, trial) {
					os.Exit(3)
				}
			}
		}
		fmt.Fprintln(os.Stderr, Work(ctx, o))
		return 1
	}
}

func needsTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts processes and takes seconds")
	}
}

func process(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, roleKey+"="+role)...)
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// start starts a worker as a process.
func start(t *testing.T, url, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := process(t, "worker", append(env, "WORKERS_TEST_URL="+url, "WORKERS_TEST_NAME="+name)...)
	must(t, cmd.Start())
	return cmd
}

// startServer starts a server as a process, and gives what workers connect to.
func startServer(t *testing.T, store, port string) (*exec.Cmd, string) {
	t.Helper()
	cmd := process(t, "server", "WORKERS_TEST_STORE="+store, "WORKERS_TEST_PORT="+port)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return cmd, strings.TrimSpace(line)
}

func portOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Port()
}

// harmStreams harms the files of the messages of a store.
func harmStreams(store string, harm func(file string, b []byte) error) error {
	harmed := 0
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		harmed++
		return harm(path, b)
	})
	if err == nil && harmed == 0 {
		err = errors.New("no file to harm")
	}
	return err
}
