// Package metrics holds the dashboard and the alerts against what real nodes show to a real Prometheus.
//
// It knows etc/grafana, etc/prometheus and etc/doc/metrics.md; it refuses to know how a node makes its
// metrics. Everything in it is a test.
package metrics
