package rest

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// statsBody is the JSON form of GetStatsResponse, with counts as numbers.
type statsBody struct {
	Keys           int64          `json:"keys"`
	MemoryBytes    int64          `json:"memoryBytes"`
	MaxMemoryBytes int64          `json:"maxMemoryBytes"`
	Hits           int64          `json:"hits"`
	Misses         int64          `json:"misses"`
	Expirations    int64          `json:"expirations"`
	Evictions      int64          `json:"evictions"`
	Watchers       int64          `json:"watchers"`
	StartTime      time.Time      `json:"startTime"`
	Uptime         string         `json:"uptime"` // in the syntax of time.Duration, as TTLs are
	Run            string         `json:"run"`
	Guarantees     guaranteesBody `json:"guarantees"`
	History        []sampleBody   `json:"history,omitzero"` // absent unless asked for
}

type sampleBody struct {
	Age         string `json:"age"` // in the syntax of time.Duration
	Keys        int64  `json:"keys"`
	MemoryBytes int64  `json:"memoryBytes"`
	Hits        int64  `json:"hits"`
	Misses      int64  `json:"misses"`
}

type guaranteesBody struct {
	Engine                     string `json:"engine"`
	Linearizable               bool   `json:"linearizable"`
	LinearizableAcrossFailover bool   `json:"linearizableAcrossFailover"`
	AtomicAcrossKeys           bool   `json:"atomicAcrossKeys"`
	Durable                    bool   `json:"durable"`
	Durability                 string `json:"durability"`
}

func (a *api) getStats(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	history, err := parseBool(r.query, "history")
	if err != nil {
		return err
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	res, err := a.client.GetStats(ctx, &keyvaluev1.GetStatsRequest{History: history})
	if err != nil {
		return err
	}
	stats := statsOf(res)
	if history {
		stats.History = historyOf(res)
	}
	body, err := json.Marshal(stats)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	if history { // long: 15 KB when it is full
		w.Header().Add("Vary", "Accept-Encoding")
		if AcceptsGzip(r.Header["Accept-Encoding"]) {
			body = Compress(body)
			w.Header().Set("Content-Encoding", "gzip")
		}
	}
	writeBody(w, r.Request, http.StatusOK, body)
	return nil
}

func statsOf(s *keyvaluev1.GetStatsResponse) statsBody {
	g := s.GetGuarantees()
	return statsBody{
		Keys: s.GetKeys(), MemoryBytes: s.GetMemoryBytes(), MaxMemoryBytes: s.GetMaxMemoryBytes(),
		Hits: s.GetHits(), Misses: s.GetMisses(), Expirations: s.GetExpirations(), Evictions: s.GetEvictions(),
		Watchers: s.GetWatchers(), StartTime: s.GetStartTime().AsTime(),
		Uptime: s.GetUptime().AsDuration().Round(time.Millisecond).String(),
		Run:    s.GetRun(),
		Guarantees: guaranteesBody{
			Engine: g.GetEngine(), Linearizable: g.GetLinearizable(),
			LinearizableAcrossFailover: g.GetLinearizableAcrossFailover(),
			AtomicAcrossKeys:           g.GetAtomicAcrossKeys(), Durable: g.GetDurable(),
			Durability: g.GetDurability(),
		},
	}
}

func historyOf(s *keyvaluev1.GetStatsResponse) []sampleBody {
	samples := make([]sampleBody, len(s.GetHistory()))
	for i, sample := range s.GetHistory() {
		samples[i] = sampleBody{
			Age:  sample.GetAge().AsDuration().Round(time.Millisecond).String(),
			Keys: sample.GetKeys(), MemoryBytes: sample.GetMemoryBytes(), Hits: sample.GetHits(), Misses: sample.GetMisses(),
		}
	}
	return samples
}
