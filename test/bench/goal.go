package main

import (
	"errors"
	"fmt"
	"slices"

	"key-value/test/record"
)

// The contenders.
const (
	oneProcess   = "key-value, one process"
	twoProcesses = "key-value, two processes"
	unbatched    = "key-value, two processes, unbatched"
	asBuilt      = "net/http + grpc-go, two processes"
	webdis       = "webdis + Redis"
	etcdJSON     = "etcd, JSON gateway"
	nginx        = "nginx, one response to all"

	kvservice = "key-value, kvservice"
	grpcGo    = "grpc-go, generated stubs"
	etcd      = "etcd"
	redis     = "Redis"

	library    = "key-value, Go client"
	grpcClient = "grpc-go's client"

	fewConnections  = "key-value, kvservice, 8 connections"
	manyConnections = "key-value, kvservice, 64 connections"
)

// The scenarios.
const (
	restGet      = "REST get"
	restSet      = "REST set"
	restVariants = "REST get over 64 connections"
	connectGet   = "Connect get, JSON over HTTP/1.1"
	grpcGet      = "gRPC get"
	clientGet    = "Go client get"
	batchGet     = "get in batches of 32"
	batchSet     = "set in batches of 32"
	watching     = "watch fan-out"
	growing      = "growth"
	perEntry     = "memory per entry"
	inFlight64   = "64 batches in flight"

	loggedSet   = "REST set with a log"
	loggedCall  = "gRPC set with a log"
	loggedBatch = "set in batches of 32 with a log"
	snapshotGet = "REST get while a snapshot is written, p99"
	diskUse     = "disk in use by a log while entries are overwritten"
	loadTime    = "start on a log"
)

// The settings of a full run with many entries and a log.
var (
	loggedSetting = record.Thousands(loggedEntries) + " entries"
	loadSetting   = record.Thousands(loadedEntries) + " entries"
)

// goal is a ratio that the project aims at, or a figure.
type goal struct {
	Text     string  `json:"text"`
	Scenario string  `json:"scenario"`
	Setting  string  `json:"setting"`
	Of       string  `json:"of"`
	By       string  `json:"by"` // empty: the goal is for the figure itself, in the unit of the scenario
	AtLeast  float64 `json:"atLeast"`
	AtMost   float64 `json:"atMost,omitempty"`   // in place of AtLeast; 0: the goal is AtLeast
	Moonshot float64 `json:"moonshot,omitempty"` // what would be a surprise; 0: nothing beyond AtLeast
}

var goals = []goal{
	{"REST get, one process : webdis + Redis", restGet, "64 connections", oneProcess, webdis, 1.2, 0, 1.5},
	{"REST get, one process : nginx, one response to all", restGet, "64 connections", oneProcess, nginx, 0.65, 0, 0.85},
	{"REST set, one process : webdis + Redis", restSet, "64 connections", oneProcess, webdis, 1.1, 0, 1.4},
	{"Connect get, one process : webdis + Redis", connectGet, "64 connections", oneProcess, webdis, 0.85, 0, 1.1},
	{"REST get, two processes : net/http + grpc-go", restGet, "64 connections", twoProcesses, asBuilt, 1.5, 0, 2.0},
	{"REST get, two processes : net/http + grpc-go", restGet, "256 connections", twoProcesses, asBuilt, 2.2, 0, 3.0},
	{"REST get, one process : etcd's JSON gateway", restGet, "64 connections", oneProcess, etcdJSON, 4.0, 0, 6.0},
	{"REST set, one process : etcd's JSON gateway", restSet, "64 connections", oneProcess, etcdJSON, 4.0, 0, 6.0},
	{"gRPC get, kvservice : grpc-go, generated stubs", grpcGet, "8 connections × 8", kvservice, grpcGo, 0.9, 0, 1.1},
	{"gRPC get, kvservice : grpc-go, generated stubs", grpcGet, "8 connections × 32", kvservice, grpcGo, 0.9, 0, 1.1},
	{"gRPC get, kvservice : grpc-go, generated stubs", grpcGet, "64 connections × 1", kvservice, grpcGo, 0.9, 0, 1.1},
	{"Go client get : grpc-go's client on the same kvservice", clientGet, "64 goroutines", library, grpcClient, 2.2, 0, 4.0},
	{"get in batches of 32 over gRPC : redis-benchmark -P 32", batchGet, inFlight64, fewConnections, redis, 0.38, 0, 0.6},
	{"set in batches of 32 over gRPC : redis-benchmark -P 32", batchSet, inFlight64, fewConnections, redis, 0.38, 0, 0.6},
	{"one REST get alone, two processes : unbatched", restGet, "1 connection", twoProcesses, unbatched, 1.0, 0, 0},
	{"one REST set alone, two processes : unbatched", restSet, "1 connection", twoProcesses, unbatched, 1.0, 0, 0},
	{"gRPC set, --fsync 1s : no log", loggedCall, "64 connections × 1", logged(kvservice, everySecond), kvservice, 0.8, 0, 0},
	{"REST set, --fsync always : webdis + Redis, appendfsync always", loggedSet, "64 connections", logged(oneProcess, always), logged(webdis, always), 1.0, 0, 0},
	{"p99 of a REST get, while a snapshot is written : idle", snapshotGet, loggedSetting, duringSnapshot, withoutSnapshot, 0, 1.5, 0},
	{"disk in use : keys and values", diskUse, diskSetting(loggedEntries, 1<<10), onDisk, dataBytes, 0, 3, 0},
	{"milliseconds to load", loadTime, loadSetting, oneProcess, "", 0, 30_000, 0},
}

// verdict says whether a goal was reached.
type verdict struct {
	goal
	Ratio   float64 `json:"ratio,omitempty"` // median of the ratios within the rounds
	Low     float64 `json:"low,omitempty"`   // the lowest of them
	High    float64 `json:"high,omitempty"`  // the highest
	Reached bool    `json:"reached"`
	Why     string  `json:"why,omitempty"` // why there is no ratio
}

// judge compares the goal with what was measured.
func (g goal) judge(outcomes []outcome) verdict {
	v := verdict{goal: g}
	of, err := find(outcomes, g, g.Of)
	if err != nil {
		v.Why = err.Error()
		return v
	}
	all := of
	if g.By != "" {
		by, err := find(outcomes, g, g.By)
		if err != nil {
			v.Why = err.Error()
			return v
		}
		all = ratios(of, by)
	}
	v.Ratio, v.Low, v.High = record.Median(all), slices.Min(all), slices.Max(all)
	v.Reached = v.Ratio >= g.AtLeast
	if g.AtMost > 0 {
		v.Reached = v.Ratio <= g.AtMost
	}
	return v
}

// cells returns the columns of a table of goals: the goal, moonshot, the ratio, lowest and highest, and what that means.
func (v verdict) cells() []string {
	moonshot := ""
	if v.Moonshot > 0 {
		moonshot = fmt.Sprintf("%.2f", v.Moonshot)
	}
	aim := fmt.Sprintf("≥ %.2f", v.AtLeast)
	if v.AtMost > 0 {
		aim = fmt.Sprintf("≤ %.2f", v.AtMost)
	}
	cells := []string{aim, moonshot, fmt.Sprintf("%.3f", v.Ratio), fmt.Sprintf("%.2f–%.2f", v.Low, v.High)}
	switch {
	case v.Why != "":
		return append(cells[:2], "", "", "not measured: "+firstLineOf(v.Why))
	case v.Moonshot > 0 && v.Ratio >= v.Moonshot:
		return append(cells, "moonshot")
	case v.Reached:
		return append(cells, "reached")
	}
	return append(cells, "missed")
}

func find(outcomes []outcome, g goal, contender string) ([]float64, error) {
	for _, o := range outcomes {
		if o.Scenario != g.Scenario || o.Setting != g.Setting {
			continue
		}
		for _, f := range o.Figures {
			switch {
			case f.Contender != contender:
			case f.Missing != "":
				return nil, fmt.Errorf("%s: %s", contender, f.Missing)
			case len(f.Rounds) > 0:
				return f.Rounds, nil
			}
		}
	}
	return nil, errors.New("not selected")
}
