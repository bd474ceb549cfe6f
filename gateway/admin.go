package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
)

// admin serves what is not an AWS call; it reports whether it did.
func (g *Gateway) admin(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.Path
	if !strings.HasPrefix(path, "/_gigawatt/") && !strings.HasPrefix(path, "/_localstack/") {
		return false
	}
	switch {
	case path == "/_gigawatt/health" && isRead(r):
		g.health(w, r)
	case path == "/_localstack/health" && isRead(r):
		g.localstackHealth(w, r)
	case (path == "/_gigawatt/reset" || path == "/_localstack/state/reset") && r.Method == http.MethodPost:
		g.reset(w, r)
	default:
		return false // a bucket might be called so, though AWS does not allow it
	}
	return true
}

func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

func (g *Gateway) health(w http.ResponseWriter, _ *http.Request) {
	type health struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		Open    bool   `json:"open"`
		Problem string `json:"problem,omitempty"`
	}
	h := health{Status: "ok", Version: g.Version, Open: g.Open}
	code := http.StatusOK
	if err := g.Healthy(); err != nil {
		h.Status, h.Problem, code = "unhealthy", err.Error(), http.StatusServiceUnavailable
	}
	writeJSON(w, code, h)
}

// localstackHealth answers in the form that LocalStack's tooling waits for.
func (g *Gateway) localstackHealth(w http.ResponseWriter, _ *http.Request) {
	services := make(map[string]string, len(g.Services))
	state, code := "running", http.StatusOK
	if g.Healthy() != nil {
		state, code = "error", http.StatusServiceUnavailable
	}
	for _, s := range g.Services {
		services[s.Name] = state
	}
	writeJSON(w, code, map[string]any{"services": services, "edition": "gigawatt", "version": g.Version})
}

func (g *Gateway) reset(w http.ResponseWriter, r *http.Request) {
	if !g.Open {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "reset is only there with --open: it deletes everything"})
		return
	}
	if err := g.Reset(r.Context()); err != nil {
		g.Log.Error("reset", "error", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "the reset failed; the server's log says why"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}
