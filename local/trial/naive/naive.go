// Package naive is what a team would first write: one login at a time, calls one after the other, everything written
// again at each login, a record before and one after. It coalesces nothing, compares nothing and pauses for nobody.
//
// It is what the product is measured against, and kept fair: it reads and writes by the product's own clients, projects
// by the same rules, reads no catalogue and keeps its tokens.
package naive

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// Table is where records go: an item a login, by its id, in the tables of the product.
type Table struct {
	Client *dynamodb.Client
	Name   string
}

// Syncer syncs one login after the other. It is not safe for concurrent use, which is the point.
type Syncer struct {
	Zuora *zuora.Client
	Limio *limio.Client
	Table Table
}

// OneAtATime lets a client have no more than one request under way.
func OneAtATime(next http.RoundTripper) http.RoundTripper { return &serial{next: next} }

type serial struct {
	mu   sync.Mutex
	next http.RoundTripper
}

func (s *serial) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next.RoundTrip(r)
}

// Login brings the account of a login to Limio.
func (s *Syncer) Login(ctx context.Context, who hotsync.Identity, account string) (err error) {
	defer hotsync.In(&err, "naive.Login(%q)", account)
	id := rand.Text()
	err = s.record(ctx, id, account, hotsync.StatusRunning, nil)
	if err != nil {
		return err
	}
	a, err := s.Zuora.Read(ctx, account, zuora.ReadOptions{})
	if err != nil {
		return err
	}
	want := projection.Project(
		a,
		who,
		projection.Options{Today: time.Now().UTC().Format(time.DateOnly), Tenant: "naive"},
	)
	// Limio is not asked what it has: what is there is written once more.
	done, err := convergence.Apply(
		ctx,
		s.Limio,
		convergence.Diff(want, nil).Changes,
		convergence.Options{Concurrency: 1},
	)
	if err != nil {
		return err
	}
	return s.record(ctx, id, account, hotsync.StatusSucceeded, convergence.Masked(done))
}

func (s *Syncer) record(
	ctx context.Context,
	id, account string,
	status hotsync.Status,
	changes []hotsync.Change,
) error {
	raw, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	_, err = s.Table.Client.PutItem(
		ctx,
		&dynamodb.PutItemInput{TableName: &s.Table.Name, Item: map[string]types.AttributeValue{
			"pk":      text("naive#" + id),
			"sk":      text("naive"),
			"at":      text(now),
			"changes": text(string(raw)),
			// Found by time, status and account, as events must be.
			"id":          text(id),
			"gsiTimePk":   text("naive"),
			"gsiStatusPk": text("naive#" + string(status)),
			"accountKey":  text("naive#" + account),
			"status":      text(string(status)),
		}},
	)
	if err != nil {
		return fmt.Errorf("record of the login: %w", err)
	}
	return nil
}
