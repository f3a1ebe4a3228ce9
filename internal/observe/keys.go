package observe

import "github.com/prometheus/client_golang/prometheus"

// Keys are the API keys of a gateway, as far as they are measured.
type Keys interface {
	Len() int
	Refused() int64
	FailedReloads() int64
}

// ForKeys adds what only a gateway measures: its API keys.
func (m *Metrics) ForKeys(keys Keys) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kv_api_keys", Help: "API keys, including those that are revoked, expired or not yet valid.",
		}, func() float64 { return float64(keys.Len()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_key_failures_total", Help: "Requests without a valid API key.",
		}, func() float64 { return float64(keys.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_keys_reload_failures_total",
			Help: "Changes of the keys file that could not be used; the previous keys stay valid.",
		}, func() float64 { return float64(keys.FailedReloads()) }),
	)
}
