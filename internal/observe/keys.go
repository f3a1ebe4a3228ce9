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
			Name: "kv_api_keys", Help: "API keys that are known, whether or not they are valid now.",
		}, func() float64 { return float64(keys.Len()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_key_failures_total", Help: "Requests without an API key that is valid.",
		}, func() float64 { return float64(keys.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_keys_reload_failures_total",
			Help: "Changes of the keys file that could not be read, so that the keys stayed as they were.",
		}, func() float64 { return float64(keys.FailedReloads()) }),
	)
}
