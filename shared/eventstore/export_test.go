package eventstore

// SetBudgets makes searches and counts stop early, as they do in a large table.
func (s *Store) SetBudgets(page int, count int64) { s.pageBudget, s.countBudget = page, count }
