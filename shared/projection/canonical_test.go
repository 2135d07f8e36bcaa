package projection

import "testing"

func TestWords(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		word, want string
		is, begins bool
	}{
		{"Pending Activation", "pendingactivation", true, true},
		{"PENDING_ACTIVATION", "pendingactivation", true, true},
		{" Per-Week_ ", "perweek", true, true},
		{"Discount_Percentage", "discount", false, true},
		{"DiscountPercentage", "discountpercentage", true, true},
		{"Disc", "discount", false, false},
		{"", "", true, true},
		{" _-", "", true, true},
		{"", "week", false, false},
		{"Weeks", "week", false, true},
		{"Größe", "größe", true, true},
		{"W\xffeek", "week", false, false},
	} {
		if got := is(tc.word, tc.want); got != tc.is || got != (plain(tc.word) == tc.want) {
			t.Errorf("is(%q, %q) = %t, want %t, as plain(%q) = %q", tc.word, tc.want, got, tc.is, tc.word, plain(tc.word))
		}
		if got := begins(tc.word, tc.want); got != tc.begins {
			t.Errorf("begins(%q, %q) = %t, want %t", tc.word, tc.want, got, tc.begins)
		}
	}
}
