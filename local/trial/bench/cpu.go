package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hotsync/local/stack"
)

// cpuRows measures the processor time that the sync process spends on a sync, which
// other work on the computer does not change much: on accounts of several sizes, ten
// a batch.
func cpuRows(ctx context.Context, b *bench) ([]row, error) {
	const many = 10
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	next := 0
	accounts := func(subscriptions int) ([]string, error) {
		ids := make([]string, many)
		for i := range ids {
			ids[i], err = s.putAccount(ctx, next, subscriptions)
			if err != nil {
				return nil, err
			}
			next++
		}
		return ids, nil
	}
	warm, err := accounts(3)
	if err != nil {
		return nil, err
	}
	_, err = s.handle(ctx, warm)
	if err != nil {
		return nil, err
	}
	first, unchanged := map[int]time.Duration{}, map[int]time.Duration{}
	for subscriptions, rounds := range map[int]int{1: 20, 3: 20, 20: 8, 200: 2} {
		var all [][]string
		for range rounds {
			ids, err := accounts(subscriptions)
			if err != nil {
				return nil, err
			}
			all = append(all, ids)
		}
		for _, into := range []map[int]time.Duration{first, unchanged} {
			into[subscriptions], err = s.cpuOf(ctx, all)
			if err != nil {
				return nil, err
			}
		}
	}
	perSubscription := func(of map[int]time.Duration, less, more int) float64 {
		return ms(of[more]-of[less]) / float64(more-less)
	}
	linear := func(of map[int]time.Duration) (float64, string) {
		small, large := perSubscription(of, 3, 20), perSubscription(of, 20, 200)
		return large / small, fmt.Sprintf("%.3f ms : %.3f ms; %.1f, %.1f, %.1f and %.1f ms for 1, 3, 20 and 200",
			large, small, ms(of[1]), ms(of[3]), ms(of[20]), ms(of[200]))
	}
	floor, calls, err := b.floor(ctx, 3)
	if err != nil {
		return nil, err
	}
	grows, detail := linear(unchanged)
	growsFirst, detailFirst := linear(first)
	return []row{
		{name: "CPU of an unchanged sync, 3 subscriptions", value: ms(unchanged[3]), target: 3, unit: "ms",
			detail: fmt.Sprintf("%.0f syncs a second of one core", float64(time.Second)/float64(unchanged[3]))},
		{name: "CPU of an unchanged sync : of its calls alone, 3 subscriptions", value: ratio(unchanged[3], floor), unit: "x",
			detail: fmt.Sprintf("%.1f ms : %.1f ms; %d calls to the tenants, %d reads of the store, %d writes",
				ms(unchanged[3]), ms(floor), len(calls.Requests), calls.Gets, len(calls.Puts))},
		{name: "CPU a subscription, unchanged, from 20 to 200 : from 3 to 20", value: grows, unit: "x", detail: detail},
		{name: "CPU of a first sync, 3 subscriptions", value: ms(first[3]), unit: "ms",
			detail: fmt.Sprintf("%.0f syncs a second of one core", float64(time.Second)/float64(first[3]))},
		{name: "CPU a subscription, first sync, from 20 to 200 : from 3 to 20", value: growsFirst, unit: "x",
			detail: detailFirst},
	}, nil
}

// cpuOf is the processor time of the sync process for one sync.
func (s *system) cpuOf(ctx context.Context, batches [][]string) (time.Duration, error) {
	before, err := cpuTime(s.Binaries["sync"])
	if err != nil {
		return 0, err
	}
	syncs := 0
	for _, ids := range batches {
		_, err = s.handle(ctx, ids)
		if err != nil {
			return 0, err
		}
		syncs += len(ids)
	}
	after, err := cpuTime(s.Binaries["sync"])
	return (after - before) / time.Duration(max(1, syncs)), err
}

// cpuTime adds up what the processes of this computer that run a program have spent
// in it and in the kernel for it, from /proc. A tick of Linux is a hundredth of a
// second whatever the processor.
func cpuTime(program string) (time.Duration, error) {
	const tick = time.Second / 100
	program, err := filepath.EvalSymlinks(program)
	if err != nil {
		return 0, err
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		return 0, errors.Join(err, errors.New("the processor time of a process is read from /proc, which is not there"))
	}
	sum, found := time.Duration(0), false
	for _, dir := range processes {
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil || exe != program {
			continue // it has ended, or is none of ours
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			return 0, err
		}
		// The name, in brackets, may hold blanks; user and system time are the 14th and 15th member.
		_, members, _ := strings.Cut(string(stat), ") ")
		for _, i := range []int{11, 12} {
			ticks, err := strconv.Atoi(strings.Fields(members)[i])
			if err != nil {
				return 0, fmt.Errorf("%s: %w", dir, err)
			}
			sum += time.Duration(ticks) * tick
		}
		found = true
	}
	if !found {
		return 0, fmt.Errorf("no process runs %s", program)
	}
	return sum, nil
}
