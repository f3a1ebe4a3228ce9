package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"key-value/test/bench/plot"
)

var chart = plot.Chart{
	Title: "a < b", Note: "x & y",
	Panels: []plot.Panel{
		{Title: "gets", Unit: "requests/s", Groups: []plot.Group{
			{Label: "1 connection", Bars: []plot.Bar{{"one <process>", "#1f6feb", 100}, {"two", "#e08700", 50}}},
			{Label: "64 connections", Bars: []plot.Bar{{"one <process>", "#1f6feb", 200}, {"gone", "#d1495b", 0}}},
		}},
		{Title: "no figures", Groups: []plot.Group{{Label: "1", Bars: []plot.Bar{{"gone", "#d1495b", 0}}}}},
	},
}

type picture struct {
	ViewBox string `xml:"viewBox,attr"`
	Rects   []struct {
		Width float64 `xml:"width,attr"`
	} `xml:"rect"`
	Texts []string `xml:"text"`
}

func TestTheChartIsWellFormed(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(string(chart.SVG())))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBarsAreAsLongAsTheirFigures(t *testing.T) {
	var p picture
	if err := xml.Unmarshal(chart.SVG(), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Rects) != 6 { // the background and five bars
		t.Fatalf("the chart has %d rectangles, want 6", len(p.Rects))
	}
	longest := p.Rects[3].Width
	for i, want := range []float64{0.5, 0.25, 1, 0, 0} {
		if got := p.Rects[i+1].Width / longest; got < want-0.01 || got > want+0.01 {
			t.Errorf("bar %d is %.2f of the longest, want %.2f", i, got, want)
		}
	}
	all := strings.Join(p.Texts, "\n")
	for _, want := range []string{"a < b", "x & y", "one <process>", "64 connections", "missing", "200"} {
		if !strings.Contains(all, want) {
			t.Errorf("the chart does not contain %q", want)
		}
	}
}

func TestFiguresAreWrittenShort(t *testing.T) {
	for value, want := range map[float64]string{
		0: "missing", 1: "1", 9.87: "9.87", 99.96: "100", 999: "999", 999.6: "1 k", 1234: "1.23 k", 20000: "20 k",
		99960: "100 k", 999_499: "999 k", 1_234_567: "1.23 M", 75e6: "75 M",
	} {
		if got := plot.Short(value); got != want {
			t.Errorf("Short(%v) = %q, want %q", value, got, want)
		}
	}
}
