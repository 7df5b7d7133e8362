package cluster

import "strings"

// protocol is the version of the messages. Sides of different protocols refuse each other.
const protocol = "1"

// The streams, and the object store.
const (
	jobsStream    = "permafrost-jobs"
	claimsStream  = "permafrost-claims"
	resultsStream = "permafrost-results"
	uploadsStream = "permafrost-uploads"
	blobsBucket   = "permafrost-blobs"
	blobsStream   = "OBJ_" + blobsBucket // the stream of the bucket
)

// The first words of subjects. A job, its claims and its result have the subjects
// permafrost.WORD.GROUP.QUEUE.JOB; what workers say has permafrost.say.GROUP.
const (
	jobWord    = "permafrost.job"
	claimWord  = "permafrost.claim"
	resultWord = "permafrost.result"
	uploadWord = "permafrost.upload"
	sayWord    = "permafrost.say"
	askWord    = "permafrost.ask"
	stopWord   = "permafrost.stop"
)

// Headers of messages.
const (
	versionHeader = "Permafrost-Version"
	sealHeader    = "Permafrost-Seal"
	resultHeader  = "Permafrost-Result"
	preferHeader  = "Permafrost-Prefer"
)

// place is where a job belongs.
type place struct{ group, queue, job string }

func (p place) subject(word string) string {
	return word + "." + p.group + "." + p.queue + "." + p.job
}

// placeOf reads a subject.
func placeOf(subject string) (p place, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 5 {
		return p, false
	}
	return place{parts[2], parts[3], parts[4]}, true
}

// NameFrom makes a text that of a group, a queue, a job or a worker: what a name cannot have becomes -.
func NameFrom(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '-'
	}, text)
}
