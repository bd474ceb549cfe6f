package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/fileblob"
	"github.com/gigawatt-cloud/gigawatt/blob/memblob"
	"github.com/gigawatt-cloud/gigawatt/gateway"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/internal/clock"
	"github.com/gigawatt-cloud/gigawatt/internal/id"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/kv/memkv"
	"github.com/gigawatt-cloud/gigawatt/kv/pebblekv"
	"github.com/gigawatt-cloud/gigawatt/meter"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Version is the release; the build sets it.
var Version = "dev"

// Server is a whole cloud. Open makes it, Run serves, Close ends it.
type Server struct {
	cfg      Config
	log      *slog.Logger
	clock    *clock.Adjustable
	db       *kv.DB
	blobs    *blob.Store
	files    *fileblob.Store // nil in memory
	identity *identity.Store
	services []*service.Service
	gateway  *gateway.Gateway
	runner   *service.Runner
	journal  *meter.Journal
	frame    *service.Frame
	ids      *id.Source
	root     Credentials
	started  time.Time
	metrics  *metrics
	listener net.Listener
	master   *[32]byte
}

// Open opens the stores of a data directory, or makes them, and puts the cloud
// together. It starts nothing and listens on nothing. A damaged store is an
// error: Open never starts empty instead.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Log, clock: clock.System(), ids: id.New(), started: time.Now().UTC()}
	if cfg.Seed != 0 {
		s.ids = id.Seeded(cfg.Seed)
	}
	if err := s.openStores(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) openStores() (err error) {
	if s.cfg.InMemory {
		s.master = new([32]byte)
		copy(s.master[:], s.ids.Bytes(len(s.master)))
		s.db, s.blobs = memkv.New(), blob.New(memblob.Open(memblob.Options{}))
		return nil
	}
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if s.master, err = masterKey(s.cfg.Dir); err != nil {
		return err
	}
	if s.db, err = pebblekv.Open(filepath.Join(s.cfg.Dir, kvDir), pebblekv.Options{}); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if s.files, err = fileblob.Open(filepath.Join(s.cfg.Dir, blobDir), fileblob.Options{}); err != nil {
		return fmt.Errorf("open the blob store: %w", err)
	}
	s.blobs = blob.New(s.files)
	return nil
}

// assemble makes the services and the gateway, and the root's key.
func (s *Server) assemble(ctx context.Context) error {
	s.frame = &service.Frame{DB: s.db, Pages: service.NewPages(derive(s.master, "pages")), Clock: s.clock}
	s.identity = identity.New(s.db, s.master)
	s.journal = meter.NewJournal(s.db)
	key, secret, err := s.identity.EnsureRoot(ctx, s.cfg.Account, s.clock.Now())
	if err != nil {
		return fmt.Errorf("make the root access key: %w", err)
	}
	s.root = Credentials{
		AccessKeyID: key, SecretAccessKey: secret, Region: s.cfg.Region, AccountID: string(s.cfg.Account), Open: s.cfg.Open,
	}
	s.services = services(service.Env{
		DB: s.db, Blobs: s.blobs, Clock: s.clock, Log: s.log, MasterKey: s.master, Region: s.cfg.Region, Account: s.cfg.Account,
		LegacyACLs: s.cfg.LegacyACLs,
	}, s.identity, s)
	s.metrics = newMetrics()
	s.gateway = gateway.New(gateway.Config{
		Services: s.services, Identity: identityAdapter{s.identity}, Frame: s.frame, Journal: s.journal, IDs: s.ids,
		Log: s.log, Region: s.cfg.Region, Account: s.cfg.Account, Open: s.cfg.Open, Version: Version,
		Reset: s.reset, Healthy: s.db.Health, Observe: s.metrics.observe, Used: s.identity.Used, MaxInFlight: s.cfg.MaxInFlight,
	})
	s.frame.Caller = s.gateway
	s.runner = service.NewRunner(s.db, s.clock, s.log, s.services, s.gateway.JobCall)
	return s.startServices(ctx)
}

// startServices lets each service register its recurring jobs.
func (s *Server) startServices(ctx context.Context) error {
	for _, v := range s.services {
		if v.Start == nil {
			continue
		}
		j := &service.Job{ID: "start", Account: s.cfg.Account, Region: s.cfg.Region}
		if err := v.Start(ctx, s.gateway.JobCall(j, v.Name)); err != nil {
			return fmt.Errorf("start %s: %w", v.Name, err)
		}
	}
	return nil
}

// reset empties an open cloud; the root's key stays.
func (s *Server) reset(ctx context.Context) error {
	if err := s.db.Reset(ctx); err != nil {
		return err
	}
	if _, err := s.blobs.Sweep(ctx, s.clock.Now().Add(time.Hour), func(blob.Info) (bool, error) { return false, nil }); err != nil {
		return err
	}
	if err := s.identity.RestoreRoot(ctx, s.cfg.Account, s.root.AccessKeyID, s.root.SecretAccessKey, s.clock.Now()); err != nil {
		return err
	}
	return s.startServices(ctx)
}

// Listen opens the socket and leaves the credentials for `gigawatt env`.
func (s *Server) Listen(ctx context.Context) error {
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.listener = l
	scheme := "http"
	if s.cfg.secure() {
		scheme = "https"
		if s.cfg.TLS == "self-signed" && !s.cfg.InMemory {
			s.root.CertFile = filepath.Join(s.cfg.Dir, "tls.crt")
		}
	}
	s.root.Endpoint = scheme + "://" + l.Addr().String()
	if s.cfg.InMemory {
		return nil
	}
	return writeCredentials(s.cfg.Dir, &s.root)
}

// Credentials returns the root's access key and the address.
func (s *Server) Credentials() Credentials { return s.root }

// Run serves on the socket that Listen opened until ctx ends, then lets
// requests finish.
func (s *Server) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.journal.Run(work) })
	wg.Go(func() { s.runner.Run(ctx) })
	stopTraces, err := s.traces(ctx)
	if err != nil {
		stop()
		return err
	}
	hs := s.httpServer()
	requests, cancelRequests := context.WithCancel(work)
	defer cancelRequests()
	hs.BaseContext = func(net.Listener) context.Context { return requests }
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(s.listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		drained := time.AfterFunc(drainTime, cancelRequests)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		if err = hs.Shutdown(grace); err != nil {
			err = hs.Close()
		}
		drained.Stop()
		cancel()
	}
	stop()
	wg.Wait()
	stopTraces()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// Close closes the stores.
func (s *Server) Close() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.blobs != nil {
		errs = append(errs, s.blobs.Close())
	}
	return errors.Join(errs...)
}
