// Package plot draws bar charts as SVG, for light and dark pages.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// Chart is an image of panels in two columns.
type Chart struct {
	Title, Note string
	Panels      []Panel
}

// Panel is one comparison. All its bars share a scale that starts at zero.
type Panel struct {
	Title, Unit string
	Groups      []Group
}

// Group is the bars of one setting.
type Group struct {
	Label string
	Bars  []Bar
}

// Bar is one figure. Zero: it is missing.
type Bar struct {
	Name, Color string
	Value       float64
}

// Sizes, in pixels.
const (
	width    = 1040 // of the image
	margin   = 16
	column   = (width - 3*margin) / 2
	nameArea = 212 // left of the bars
	numArea  = 48  // right of the longest bar
	line     = 15  // one bar
	gap      = 8   // between groups
	header   = 44  // a panel's title and the space below it
	top      = 64  // above the panels
)

const style = `text{font:11px system-ui,sans-serif;fill:#24292f}
.title{font-size:16px;font-weight:600}.panel{font-size:13px;font-weight:600}.dim{fill:#57606a}.end{text-anchor:end}
.back{fill:#ffffff}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.back{fill:#0d1117}}`

// SVG draws the chart.
func (c Chart) SVG() []byte {
	var body bytes.Buffer
	height := c.panels(&body)
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">`+"\n",
		width, height)
	fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(c.Title), style)
	fmt.Fprintf(&out, `<rect class="back" width="%d" height="%d" rx="6"/>`+"\n", width, height)
	text(&out, margin, 28, "title", c.Title)
	text(&out, margin, 48, "dim", c.Note)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// panels draws each panel in the shorter column, and returns the height of the image.
func (c Chart) panels(out *bytes.Buffer) int {
	bottoms := [2]int{top, top}
	for _, p := range c.Panels {
		at := 0
		if bottoms[1] < bottoms[0] {
			at = 1
		}
		bottoms[at] = p.draw(out, margin+at*(column+margin), bottoms[at])
	}
	return max(bottoms[0], bottoms[1]) + margin
}

// draw draws the panel with its upper left corner at x and y, and returns its lower end.
func (p Panel) draw(out *bytes.Buffer, x, y int) int {
	text(out, x, y+20, "panel", p.Title)
	text(out, x+column, y+20, "dim end", p.Unit)
	y += header - gap
	scale := 0.0
	for _, g := range p.Groups {
		for _, b := range g.Bars {
			scale = max(scale, b.Value)
		}
	}
	for _, g := range p.Groups {
		text(out, x, y+line-4, "dim", g.Label)
		y += line
		for _, b := range g.Bars {
			b.draw(out, x, y, scale)
			y += line
		}
		y += gap
	}
	return y
}

func (b Bar) draw(out *bytes.Buffer, x, y int, scale float64) {
	text(out, x+nameArea-8, y+line-4, "end", b.Name)
	length := 0.0
	if scale > 0 {
		length = b.Value / scale * (column - nameArea - numArea)
	}
	fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n",
		x+nameArea, y+2, length, line-3, html.EscapeString(b.Color))
	text(out, x+nameArea+int(length)+5, y+line-4, "dim", Short(b.Value))
}

func text(out *bytes.Buffer, x, y int, class, content string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(content))
}

// Short formats a figure with three digits, such as 1.23 M.
func Short(value float64) string {
	switch {
	case value <= 0:
		return "missing"
	case value >= 999_500:
		return digits(value/1e6) + " M"
	case value >= 999.5:
		return digits(value/1e3) + " k"
	}
	return digits(value)
}

func digits(value float64) string {
	switch {
	case value >= 99.95:
		return fmt.Sprintf("%.0f", value)
	case value >= 9.995:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0")
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", value), ".00")
}
