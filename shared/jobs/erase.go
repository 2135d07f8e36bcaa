package jobs

import (
	"context"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// ReasonErased is why an account of a job is skipped whose login was erased before
// its turn came.
const ReasonErased = "erased"

// Erase takes a person out of the jobs: accounts that were listed together with
// their login forget it, those that still wait are not synced, and a job that lists
// by the login lists nothing more. It returns in how many accounts and jobs it was.
// What is under way keeps it until it has ended: pending says how many, for which it
// is to be called again. An empty issuer stands for any. It can be repeated, and must
// be when it returns an error.
func Erase(ctx context.Context, s Store, who hotsync.Identity) (removed, pending int, err error) {
	defer hotsync.In(&err, "jobs.Erase")
	for cursor := ""; ; {
		page, next, err := s.Jobs(ctx, activePage, cursor)
		if err != nil {
			return removed, pending, err
		}
		for _, j := range page {
			n, left, err := eraseFrom(ctx, s, j, who)
			removed, pending = removed+n, pending+left
			if err != nil {
				return removed, pending, err
			}
		}
		if next == "" {
			return removed, pending, nil
		}
		cursor = next
	}
}

func eraseFrom(ctx context.Context, s Store, j Job, who hotsync.Identity) (removed, pending int, err error) {
	if j.Source.asks(who.Subject) {
		_, err = Change(ctx, s, j.ID, func(j *Job) error {
			j.Listed = true // without the login it would be a list of everybody's
			j.Source.forget()
			return nil
		})
		return 1, 0, err
	}
	logins := map[string]bool{} // hashes
	for _, issuer := range j.Issuers {
		if who.Issuer == "" || who.Issuer == issuer {
			logins[eventstore.IdentityHash(hotsync.Identity{Issuer: issuer, Subject: who.Subject})] = true
		}
	}
	if len(logins) == 0 {
		return 0, 0, nil
	}
	for n := 0; n < j.Chunks || j.Status == Loading; n += readChunks {
		chunks, err := s.Chunks(ctx, j.ID, n, readChunks)
		if err != nil {
			return removed, pending, err
		}
		for _, c := range chunks {
			gone, left, err := eraseFromChunk(ctx, s, c, logins)
			removed, pending = removed+gone, pending+left
			if err != nil {
				return removed, pending, err
			}
		}
		if len(chunks) < readChunks {
			break
		}
	}
	return removed, pending, nil
}

// eraseFromChunk takes the logins out of a chunk, again when a function changed it
// meanwhile.
func eraseFromChunk(ctx context.Context, s Store, c Chunk, logins map[string]bool) (removed, pending int, err error) {
	for range maxTries {
		removed, pending = c.forget(logins)
		if removed == 0 {
			return 0, pending, nil
		}
		_, err = s.SaveChunk(ctx, c)
		if !conflict(err) {
			return removed, pending, err
		}
		found, err := s.Chunks(ctx, c.Job, c.N, 1)
		if err != nil || len(found) == 0 {
			return 0, 0, err
		}
		c = found[0]
	}
	return 0, 0, err
}

// forget takes the logins out of the items that have ended or have yet to begin. The
// event of one that is under way is found by its login.
func (c *Chunk) forget(logins map[string]bool) (removed, pending int) {
	for n := range c.Items {
		i := &c.Items[n]
		switch {
		case !logins[i.Login]:
			continue
		case i.Outcome == Sent:
			pending++
			continue
		case i.Outcome == Waiting:
			c.end(n, Skipped, ReasonErased)
		}
		i.Login, i.Erased = "", true
		removed++
	}
	return removed, pending
}

// asks reports whether the source's query has the subject in it.
func (s Source) asks(subject string) bool {
	return s.Events != nil && (s.Events.Subject == subject || s.Events.Q == subject)
}

// forget takes out of the query what may say who is meant. It is for a source of which
// nothing more is listed.
func (s *Source) forget() {
	if s.Events == nil || s.Events.Subject == "" && s.Events.Q == "" {
		return
	}
	q := *s.Events
	q.Subject, q.Q = "", ""
	s.Events = &q
}
