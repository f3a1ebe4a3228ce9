package main

import (
	"fmt"

	"key-value/test/bench/plot"
)

// colors are the contenders': ours are blue, others are not.
var colors = map[string]string{
	oneProcess:          "#1f6feb",
	twoProcesses:        "#58a6ff",
	unbatched:           "#8aa4c8",
	kvservice:           "#1f6feb",
	"key-value, engine": "#1f6feb",
	fewConnections:      "#1f6feb",
	manyConnections:     "#58a6ff",
	asBuilt:             "#e08700",
	grpcGo:              "#e08700",
	webdis:              "#d1495b",
	redis:               "#d1495b",
	etcdJSON:            "#2a9d6f",
	etcd:                "#2a9d6f",
}

// chart draws one panel for each scenario.
func (r results) chart() []byte {
	c := plot.Chart{
		Title: "key-value beside its peers",
		Note: fmt.Sprintf("%s, %d × %s, medians of %s of %s", r.Time.Format("2006-01-02"), r.Machine.CPUs, r.Machine.CPU,
			count(r.Rounds, "round"), r.Duration),
	}
	for _, group := range byScenario(r.Outcomes) {
		c.Panels = append(c.Panels, panel(group))
	}
	return c.SVG()
}

func panel(group []outcome) plot.Panel {
	p := plot.Panel{Title: group[0].Scenario, Unit: group[0].Unit}
	for _, o := range group {
		g := plot.Group{Label: o.Setting}
		for _, f := range o.Figures {
			g.Bars = append(g.Bars, plot.Bar{Name: f.Contender, Color: colors[f.Contender], Value: f.Median})
		}
		p.Groups = append(p.Groups, g)
	}
	return p
}
