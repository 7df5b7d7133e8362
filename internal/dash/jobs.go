package dash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/permafrost-ml/permafrost/internal/run"
)

// jobs are the fits that were started here, each a process of its own.
type jobs struct {
	program []string
	folder  string // folder of the runs
	most    int

	mu     sync.Mutex
	jobs   map[string]*job // by the path of the run
	closed bool
}

// job is a fit that was started here.
type job struct {
	path string
	cmd  *exec.Cmd
	said *tail         // what it wrote to stderr
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

func newJobs(program []string, runs string, most int) *jobs {
	return &jobs{program: program, folder: runs, most: most, jobs: map[string]*job{}}
}

// startTime is how long a fit may take until it has begun its folder.
const startTime = 30 * time.Second

// start starts a fit with these arguments, whose folder is path below that of the runs. It returns
// when the fit has begun its folder, and errors with what the fit says where it does not.
func (j *jobs) start(ctx context.Context, path string, args []string) error {
	out := filepath.Join(j.folder, filepath.FromSlash(path))
	b, err := j.begin(path, append(args, "--out", out))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		select {
		case <-b.done:
			if b.err != nil {
				return errors.New(b.reason())
			}
			return nil
		case <-ctx.Done():
			return nil // it goes on: its page says how
		case <-time.After(30 * time.Millisecond):
			if _, err := os.Lstat(filepath.Join(out, run.EventsFile)); err == nil {
				return nil
			}
		}
	}
}

func (j *jobs) begin(path string, args []string) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, errors.New("the server is stopping")
	}
	if len(j.program) == 0 {
		return nil, errors.New("no program is known that fits")
	}
	going := 0
	for p, b := range j.jobs {
		if b.ended() {
			if p == path {
				delete(j.jobs, p)
			}
			continue
		}
		if going++; p == path {
			return nil, fmt.Errorf("run %s goes on already", path)
		}
	}
	if going >= j.most {
		return nil, fmt.Errorf("%d runs that were started here go on: stop one, or wait", going)
	}
	b := &job{path: path, said: &tail{most: 16 << 10}, done: make(chan struct{})}
	b.cmd = exec.Command(j.program[0], append(append([]string{}, j.program[1:]...), args...)...)
	b.cmd.Stderr = b.said
	b.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	b.cmd.SysProcAttr = apart()
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	j.jobs[path] = b
	go func() {
		b.err = b.cmd.Wait()
		close(b.done)
	}()
	return b, nil
}

func (b *job) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// reason is why a fit that has ended failed, in its own words.
func (b *job) reason() string {
	lines := strings.Split(strings.TrimSpace(b.said.String()), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if _, text, ok := strings.Cut(last, " fit: "); ok {
		return text
	}
	if last == "" {
		return fmt.Sprintf("the fit ended: %v", b.err)
	}
	return last
}

// of is the job of a run, nil if it was not started here.
func (j *jobs) of(path string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.jobs[path]
}

// runs reports whether a run that was started here goes on.
func (j *jobs) runs(path string) bool {
	b := j.of(path)
	return b != nil && !b.ended()
}

// stop interrupts a run that was started here. It saves a checkpoint and ends.
func (j *jobs) stop(path string) error {
	b := j.of(path)
	if b == nil || b.ended() {
		return fmt.Errorf("run %s was not started here, or has ended: stop it with Ctrl-C where it was started", path)
	}
	return b.interrupt()
}

func (b *job) interrupt() error {
	err := b.cmd.Process.Signal(syscall.SIGINT)
	if err != nil && !errors.Is(err, os.ErrProcessDone) { // where there are no signals
		err = b.cmd.Process.Kill()
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// close interrupts every run and waits for their ends until ctx ends. It kills those that are late,
// and errors.
func (j *jobs) close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	var going []*job
	for _, b := range j.jobs {
		if !b.ended() {
			going = append(going, b)
		}
	}
	j.mu.Unlock()
	var errs []error
	for _, b := range going {
		errs = append(errs, b.interrupt())
	}
	for _, b := range going {
		select {
		case <-b.done:
		case <-ctx.Done():
			_ = b.cmd.Process.Kill()
			<-b.done
			errs = append(errs, fmt.Errorf("run %s did not end in time and was killed; its last checkpoint is good", b.path))
		}
	}
	return errors.Join(errs...)
}

// tail keeps the end of what is written to it.
type tail struct {
	most int
	mu   sync.Mutex
	b    []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - t.most; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// going are the paths of the runs that were started here and go on.
func (j *jobs) going() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for p, b := range j.jobs {
		if !b.ended() {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}
