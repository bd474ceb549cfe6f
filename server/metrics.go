package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gigawatt-cloud/gigawatt/gateway"
)

// metrics are the server's, for Prometheus at /_gigawatt/metrics, and its
// traces. Labels are service, operation and code; never an account or a name.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytesOut *prometheus.CounterVec
	tracer   trace.Tracer // nil without an endpoint
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gigawatt_requests_total", Help: "Requests that were answered, by error code (empty for success).",
		}, []string{"service", "operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gigawatt_request_duration_seconds", Help: "Time from a request's first step to its last.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"service", "operation"}),
		bytesOut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gigawatt_response_bytes_total", Help: "Payload bytes sent to callers.",
		}, []string{"service", "operation"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.bytesOut,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observe(o gateway.Observation) {
	m.requests.WithLabelValues(o.Service, o.Operation, o.Code).Inc()
	m.seconds.WithLabelValues(o.Service, o.Operation).Observe(o.Duration.Seconds())
	m.bytesOut.WithLabelValues(o.Service, o.Operation).Add(float64(o.BytesOut))
	if m.tracer == nil {
		return
	}
	end := time.Now()
	_, span := m.tracer.Start(context.Background(), o.Service+"."+o.Operation,
		trace.WithTimestamp(end.Add(-o.Duration)), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", o.Service),
			attribute.String("rpc.method", o.Operation), attribute.Int("http.response.status_code", o.Status),
			attribute.String("error.type", o.Code),
		))
	span.End(trace.WithTimestamp(end))
}

// traces starts to export spans when an endpoint is configured.
func (s *Server) traces(ctx context.Context) (stop func(), err error) {
	if s.cfg.OTLP == "" {
		return func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(s.cfg.OTLP))
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(
		resource.NewSchemaless(attribute.String("service.name", "gigawatt"), attribute.String("service.version", Version))))
	s.metrics.tracer = provider.Tracer("gigawatt")
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			s.log.Warn("send the last traces", "error", err)
		}
	}, nil
}

// handler is the gateway, with the metrics beside it.
func (s *Server) handler() http.Handler {
	prom := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_gigawatt/metrics" {
			prom.ServeHTTP(w, r)
			return
		}
		s.gateway.ServeHTTP(w, r)
	})
}
