package run

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// tooLong describes the examples whose transcripts need more frames than the model makes of their
// sounds. No alignment yields such a transcript: its loss is infinite and counts as zero.
type tooLong struct {
	count         int
	first         string // its file
	needs, frames int    // of the first
}

// tooLong counts the examples of a set whose transcripts are too long. It counts none for tasks
// without transcripts.
func (s *Session) tooLong(ds *data.Dataset) (tooLong, error) {
	var out tooLong
	framed, ok := s.Task.(task.Framed)
	if !ok {
		return out, nil
	}
	positions := map[int]int{} // by the length to which an example is padded
	for i, t := range s.targets[ds] {
		length := ds.Bucket(i)
		all, ok := positions[length]
		if !ok {
			g, _, err := s.Net.At(length).LiveGraph(1)
			if err != nil {
				return out, err
			}
			all = task.Positions(framed, g.Outputs[0].Type.Shape, 1)
			positions[length] = all
		}
		frames := data.Scaled([]int{ds.Length(i)}, length, all)[0]
		if needs := framed.Frames(t); needs > frames {
			if out.count++; out.count == 1 {
				out.first, out.needs, out.frames = ds.Examples[i].Path, needs, frames
			}
		}
	}
	return out, nil
}

// checkTranscripts errors if every transcript is too long, as then nothing can be learned.
func (s *Session) checkTranscripts() error {
	long, err := s.tooLong(s.Train)
	if err == nil && long.count > 0 && long.count == s.Train.Len() {
		err = fmt.Errorf("option task %s: %s, so nothing would be learned: take a smaller hop in the preprocessor file, or a model with more frames", s.Task.Name(), long.text(s.Train))
	}
	return err
}

// transcriptNotes say how many transcripts are too long for their sounds.
func (s *Session) transcriptNotes() []string {
	var notes []string
	for _, ds := range []*data.Dataset{s.Train, s.Val} {
		if long, err := s.tooLong(ds); err == nil && long.count > 0 {
			notes = append(notes, long.text(ds)+": their loss would be infinite, and counts as zero")
		}
	}
	return notes
}

func (l tooLong) text(ds *data.Dataset) string {
	return fmt.Sprintf("%s: %d of %d transcripts are longer than the frames of their sounds (the first: %s needs %d frames, of which the model makes %d)",
		ds.Root, l.count, ds.Len(), l.first, l.needs, l.frames)
}
