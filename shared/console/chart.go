package console

import (
	"math"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// chart is counts by status over time, as bars of an SVG picture that the
// template writes, and as the table beside it.
type chart struct {
	Width, Height, Base float64
	Bars                []bar
	Lines               []gridLine
	Most                int
}

// bar is one slot of time.
type bar struct {
	From, To time.Time
	Parts    []part
	X, Width float64
	Mid      float64
	Total    int
	Tick     string // its label below, on some
	Says     string // what it shows, in words
	Href     string
}

// part is one status of a bar.
type part struct {
	Status    hotsync.Status
	N         int
	Y, Height float64
}

// gridLine is a count marked across the chart.
type gridLine struct {
	Y float64
	N int
}

// The picture is laid out in these units and scaled by the browser.
const (
	chartWidth  = 960
	chartHeight = 220
	chartLeft   = 44
	chartBase   = 190
	chartTop    = 10
)

// chartStatuses are drawn from the base up.
var chartStatuses = []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusSkipped, hotsync.StatusFailed}

func newChart(slots []eventstore.Slot, from time.Time, s span, zone *time.Location) chart {
	n := int(s.Back / s.Slot)
	grouped := make([][]eventstore.Slot, n)
	for _, slot := range slots {
		i := int(slot.At.Sub(from) / s.Slot)
		if i >= 0 && i < n {
			grouped[i] = append(grouped[i], slot)
		}
	}
	out := chart{Width: chartWidth, Height: chartHeight, Base: chartBase}
	step := float64(chartWidth-chartLeft) / float64(n)
	for i, g := range grouped {
		at := from.Add(time.Duration(i) * s.Slot)
		b := bar{
			From:  at,
			To:    at.Add(s.Slot),
			X:     chartLeft + step*float64(i) + step*0.14,
			Width: step * 0.72,
			Tick:  tick(at.In(zone), s),
		}
		b.Mid = b.X + b.Width/2
		f := filter{from: b.From.Format(time.RFC3339), to: b.To.Format(time.RFC3339), From: b.From, To: b.To}
		b.Href = f.Path()
		counts := eventstore.Sum(g)
		for _, status := range chartStatuses {
			k := counts.Status(status)
			b.Total += k
			b.Parts = append(b.Parts, part{Status: status, N: k})
		}
		out.Most = max(out.Most, b.Total)
		b.Says = b.words(zone)
		out.Bars = append(out.Bars, b)
	}
	top := niceTop(out.Most)
	scale := float64(chartBase-chartTop) / float64(top)
	for i := range out.Bars {
		y := float64(chartBase)
		for j := range out.Bars[i].Parts {
			p := &out.Bars[i].Parts[j]
			p.Height = scale * float64(p.N)
			if p.N > 0 {
				p.Height = max(p.Height, 1.5) // one failure among thousands must be seen
			}
			y -= p.Height
			p.Y = y
		}
	}
	for _, part := range []int{0, 1, 2} {
		n := top * part / 2
		out.Lines = append(out.Lines, gridLine{Y: chartBase - scale*float64(n), N: n})
	}
	return out
}

// words say what a bar shows.
func (b bar) words(zone *time.Location) string {
	text := b.From.In(zone).Format("2 Jan 15:04") + " to " + b.To.In(zone).Format("15:04 MST") + ":"
	for _, p := range b.Parts {
		if p.N > 0 {
			text += " " + count(p.N) + " " + string(p.Status)
		}
	}
	return text
}

// niceTop is the next even round number.
func niceTop(most int) int {
	if most <= 2 {
		return 2
	}
	unit := math.Pow(10, math.Floor(math.Log10(float64(most))))
	for _, k := range []float64{1, 1.2, 1.6, 2, 3, 4, 6, 8, 10} {
		if top := int(k * unit); top >= most && top%2 == 0 {
			return top
		}
	}
	return int(20 * unit)
}

// tick labels some of the bars, in the reader's zone.
func tick(at time.Time, s span) string {
	switch s.Name {
	case "hour":
		return at.Format("15:04")
	case "day":
		if at.Hour()%4 == 0 {
			return at.Format("15:04")
		}
	default:
		if at.Hour() < 6 {
			return at.Format("Mon 2")
		}
	}
	return ""
}
