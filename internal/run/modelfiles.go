package run

import (
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
)

// ModelFiles lists the files that another machine needs to use the model as this session does: the
// model, its external data, and what says how it is fed, such as a preprocessor or a tokenizer.
func (s *Session) ModelFiles(c *config.Config) []string {
	files := append([]string{c.Model}, s.Base.Model.ExternalFiles()...)
	return append(files, feed.FilesOf(c.Model, c.FeedOptions())...)
}
