package ownership_test

import (
	"testing"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/ownership"
)

func TestTable(t *testing.T) {
	t.Parallel()

	conform(t, ownership.Table{Table: enginetest.Table(t)})
}
