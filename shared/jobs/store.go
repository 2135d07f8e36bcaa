package jobs

import (
	"context"

	"hotsync/shared/hotsync"
)

// Errors that callers decide on.
var (
	ErrNotFound = &hotsync.Error{Code: hotsync.CodeNotFound, Message: "There is no such job."}
	ErrConflict = &hotsync.Error{Code: hotsync.CodeConflict, Message: "The job was changed meanwhile."}
)

// Store keeps jobs. Implementations are safe for concurrent use.
type Store interface {
	// Job reads a job consistently, or returns ErrNotFound.
	Job(ctx context.Context, id string) (Job, error)
	// SaveJob writes a job over the revision it was read at: 0 says that it must not
	// exist. It returns it with its new revision, or ErrConflict, and then nothing
	// has changed.
	SaveJob(ctx context.Context, j Job) (Job, error)
	// Jobs lists jobs, the newest first, and the cursor of the next page, "" at the
	// end.
	Jobs(ctx context.Context, limit int, cursor string) (_ []Job, next string, err error)
	// Chunks reads up to limit chunks of a job from the nth, in order and
	// consistently.
	Chunks(ctx context.Context, job string, n, limit int) ([]Chunk, error)
	// SaveChunk writes a chunk as SaveJob writes a job.
	SaveChunk(ctx context.Context, c Chunk) (Chunk, error)
	// Sketch reads what a job's accounts are compared by; a zero one if there is none.
	Sketch(ctx context.Context, job string) (Sketch, error)
	// SaveSketch writes it as SaveJob writes a job.
	SaveSketch(ctx context.Context, job string, s Sketch) (Sketch, error)
}

// maxTries bounds how often a change is made again that another one came before.
const maxTries = 16

// Change reads a job, changes it and writes it, again when somebody else did
// meanwhile. An error of change ends it.
func Change(ctx context.Context, s Store, id string, change func(*Job) error) (j Job, err error) {
	defer hotsync.In(&err, "jobs.Change(%q)", id)
	for range maxTries {
		j, err = s.Job(ctx, id)
		if err != nil {
			return Job{}, err
		}
		err = change(&j)
		if err != nil {
			return Job{}, err
		}
		var saved Job
		saved, err = s.SaveJob(ctx, j)
		if err == nil {
			return saved, nil
		}
		if hotsync.AsError(err).Code != hotsync.CodeConflict {
			return Job{}, err
		}
	}
	return Job{}, err
}
