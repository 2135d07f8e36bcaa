package jobs

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// sketchSize is how many hashes a sketch keeps.
const sketchSize = 1024

// Sketch is what the accounts of two jobs are compared by: the least hashes of each
// job's accounts. Two small jobs are compared exactly; of large ones a shared
// hundredth is missed once in thirty thousand times. It has one size however many
// accounts there are.
//
// It is the bottom-k sketch of Cohen and Kaplan, "Summarizing data using bottom-k
// sketches", PODC 2007.
type Sketch struct {
	Hashes []uint64 `json:"hashes"` // ascending

	// Revision guards a write: it counts the writes so far.
	Revision int `json:"-"`
}

// Add adds accounts.
func (s *Sketch) Add(accounts ...string) {
	for _, a := range accounts {
		sum := sha256.Sum256([]byte(a))
		h := binary.BigEndian.Uint64(sum[:8])
		if len(s.Hashes) == sketchSize && h >= s.Hashes[sketchSize-1] {
			continue
		}
		n, has := slices.BinarySearch(s.Hashes, h)
		if has {
			continue
		}
		s.Hashes = slices.Insert(s.Hashes, n, h)
		s.Hashes = s.Hashes[:min(len(s.Hashes), sketchSize)]
	}
}

// Shared estimates which part of the smaller job's accounts the other has too.
func (s Sketch) Shared(o Sketch) float64 {
	if len(s.Hashes) == 0 || len(o.Hashes) == 0 {
		return 0
	}
	// Below the lesser of the two bounds both have everything there is.
	bound := ^uint64(0)
	for _, x := range []Sketch{s, o} {
		if len(x.Hashes) == sketchSize {
			bound = min(bound, x.Hashes[sketchSize-1])
		}
	}
	below := func(x Sketch) int {
		n, has := slices.BinarySearch(x.Hashes, bound)
		if has {
			n++
		}
		return n
	}
	a, b := s.Hashes[:below(s)], o.Hashes[:below(o)]
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	both := 0
	for _, h := range a {
		if _, has := slices.BinarySearch(b, h); has {
			both++
		}
	}
	return float64(both) / float64(min(len(a), len(b)))
}
