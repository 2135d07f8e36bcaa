package eventstore

// SetBounds makes searches read less at once and stop earlier, as they do in a
// large table.
func (s *Store) SetBounds(page int, count int64, batch int) {
	s.pageBudget, s.countBudget, s.maxBatch = page, count, batch
}
