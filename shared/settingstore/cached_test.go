package settingstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

// source answers a Load as the test says, and counts them.
type source struct {
	calls  atomic.Int64
	answer func(context.Context) (hotsync.Settings, error)
}

func (s *source) Load(ctx context.Context) (hotsync.Settings, error) {
	s.calls.Add(1)
	return s.answer(ctx)
}

func (s *source) gives(version int, err error) {
	s.answer = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{Version: version}, err }
}

var errDown = hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB did not answer.")

func TestCached(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		src := &source{}
		c := settingstore.NewCached(src, slog.New(slog.NewJSONHandler(&log, nil)))
		want := func(version int, calls int64) {
			t.Helper()
			got, err := c.Load(t.Context())
			if err != nil || got.Version != version || src.calls.Load() != calls {
				t.Fatalf("Load = version %d, %v after %d reads; want version %d after %d", got.Version, err, src.calls.Load(),
					version, calls)
			}
		}

		src.gives(0, errDown)
		for n := range int64(2) { // an error is not kept
			_, err := c.Load(t.Context())
			if !errors.Is(err, errDown) || src.calls.Load() != n+1 {
				t.Fatalf("Load error = %v after %d reads, want the store's after %d", err, src.calls.Load(), n+1)
			}
		}
		src.gives(1, nil)
		want(1, 3)
		src.gives(2, nil)
		time.Sleep(30*time.Second - 1)
		want(1, 3)
		time.Sleep(time.Nanosecond)
		want(2, 4)

		// Newer ones cannot be read: the last ones go on, and it is said.
		for _, trouble := range []error{errDown, hotsync.Errorf(hotsync.CodeSettingsInvalid, "They are damaged.")} {
			time.Sleep(30 * time.Second)
			calls := src.calls.Load()
			src.gives(9, trouble)
			log.Reset()
			want(2, calls+1)
			want(2, calls+1)
			if n := strings.Count(log.String(), "\n"); n != 1 ||
				!strings.Contains(log.String(), string(hotsync.AsError(trouble).Code)) {
				t.Errorf("%v: %d log lines, want one that names it: %s", trouble, n, log.String())
			}
			time.Sleep(5 * time.Second)
			want(2, calls+2)
		}
		time.Sleep(5 * time.Second)
		src.gives(3, nil)
		want(3, src.calls.Load()+1)
	})
}

func TestCachedAsksOnceForEverybody(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(context.Context) (hotsync.Settings, error) {
			time.Sleep(100 * time.Millisecond)
			return hotsync.Settings{Version: 1}, nil
		}}
		c := settingstore.NewCached(src, slog.New(slog.DiscardHandler))
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				got, err := c.Load(t.Context())
				if err != nil || got.Version != 1 {
					t.Errorf("Load = version %d, %v; want 1", got.Version, err)
				}
			})
		}
		wg.Go(func() { // going away ends nobody else's wait
			_, err := c.Load(impatient)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled Load error = %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := src.calls.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

// A store that hangs costs a login that knows earlier settings next to nothing,
// and one that does not know any no more than the limit.
func TestCachedHangingStore(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := settingstore.NewCached(src, slog.New(slog.DiscardHandler))
		hang := func(ctx context.Context) (hotsync.Settings, error) {
			<-ctx.Done()
			return hotsync.Settings{}, ctx.Err()
		}
		src.answer = hang
		begin := time.Now()
		_, err := c.Load(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("first Load: %v after %v, want the limit of 3 s", err, time.Since(begin))
		}
		src.gives(1, nil)
		_, err = c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.answer = hang
		time.Sleep(time.Minute)
		for range 2 {
			begin = time.Now()
			got, err := c.Load(t.Context())
			if err != nil || got.Version != 1 || time.Since(begin) != 250*time.Millisecond {
				t.Errorf("later Load: version %d, %v after %v; want version 1 after 250 ms", got.Version, err, time.Since(begin))
			}
		}
		leaving, leave := context.WithCancel(t.Context())
		leave()
		got, err := c.Load(leaving)
		if err != nil || got.Version != 1 {
			t.Errorf("Load of somebody who leaves: version %d, %v; want version 1", got.Version, err)
		}
		time.Sleep(3 * time.Second) // it has given up and rests
		begin = time.Now()
		got, err = c.Load(t.Context())
		if err != nil || got.Version != 1 || time.Since(begin) != 0 {
			t.Errorf("resting Load: version %d, %v after %v; want version 1 at once", got.Version, err, time.Since(begin))
		}
	})
}
