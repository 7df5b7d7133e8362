package data

// Preview is an example in a form that a web page shows: a small picture, or a short sound.
type Preview struct {
	MIME  string // image/png, image/jpeg or audio/wav
	Bytes []byte
}

// Previewer is a Source whose examples a page can show.
type Previewer interface {
	// Preview makes the preview of example i, of a few kilobytes.
	Preview(i int) (*Preview, error)
}

// Preview makes the preview of example i. It is nil if examples of this kind have none.
func (d *Dataset) Preview(i int) (*Preview, error) {
	p, ok := d.source.(Previewer)
	if !ok {
		return nil, nil
	}
	return p.Preview(d.at[i])
}
