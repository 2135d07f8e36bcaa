package lambdahost_test

import (
	"context"
	"testing"
	"time"

	"hotsync/local/stack/lambdahost"
)

// BenchmarkInvoke measures what the host itself costs: a warm call, calls side
// by side, and a cold start of a function that does nothing.
func BenchmarkInvoke(b *testing.B) {
	host := func(b *testing.B, cfg lambdahost.Config) *lambdahost.Host {
		cfg.Template, cfg.Binaries = probe(), binaries
		h, err := lambdahost.New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := h.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
		return h
	}
	call := func(b *testing.B, h *lambdahost.Host) {
		if _, err := h.Invoke(b.Context(), "probe", []byte(`{}`)); err != nil {
			b.Error(err)
		}
	}
	b.Run("warm", func(b *testing.B) {
		h := host(b, lambdahost.Config{})
		for b.Loop() {
			call(b, h)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		h := host(b, lambdahost.Config{MaxEnvironments: 4})
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				call(b, h)
			}
		})
	})
	b.Run("cold", func(b *testing.B) {
		h := host(b, lambdahost.Config{Idle: time.Nanosecond})
		for b.Loop() {
			call(b, h)
			for len(h.PIDs("probe")) > 0 { // until the idle process is gone
			}
		}
	})
}
