package mtls

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/prometheus/client_golang/prometheus"
)

// NewExpiryGauge returns the metric of when a certificate ends, by what it is used for ("service", "web"). The file is read at every
// scrape, as renewals replace it; a file that cannot be read shows as 0, which is long ago.
func NewExpiryGauge(use, certFile, keyFile string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "switchboard_certificate_expiry_timestamp_seconds", Help: "When the process's certificate ends, in seconds since 1970; 0 when it cannot be read.",
		ConstLabels: prometheus.Labels{"use": use},
	}, func() float64 {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return 0
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return 0
		}
		return float64(cert.NotAfter.Unix())
	})
}
