// Package influxtest runs a real InfluxDB server for tests.
package influxtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"medfleet/processtest"
)

// Database is made in every server.
const Database = "medfleet"

// Program gives the server's program; without one the test is skipped.
func Program(t testing.TB) string {
	t.Helper()
	return processtest.Program(t, "influxd", "go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10")
}

// Server is a real InfluxDB 1.8 that keeps its data in a folder.
type Server struct {
	URL     string
	program string
	folder  string
	web     *processtest.Promised // kept while it is stopped, like that of its own service
	service *processtest.Promised
	command *exec.Cmd
	done    chan struct{} // closed when the process has ended
}

// Start starts a server and waits until it answers. Stop ends it; so does the
// end of this process.
func Start(program, folder string) (*Server, error) {
	var errs []error
	for range 5 { // a process that asks nobody may have taken the port meanwhile
		web, err1 := processtest.Promise()
		service, err2 := processtest.Promise()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		s := &Server{URL: "http://" + web.Address, program: program, folder: folder, web: web, service: service}
		err := s.Restart()
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Restart starts a stopped server again, at the same address.
func (s *Server) Restart() error {
	s.command, s.done = exec.Command(s.program), make(chan struct{})
	s.command.Env = append(os.Environ(),
		"INFLUXDB_DATA_DIR="+filepath.Join(s.folder, "data"), "INFLUXDB_DATA_WAL_DIR="+filepath.Join(s.folder, "wal"),
		"INFLUXDB_META_DIR="+filepath.Join(s.folder, "meta"), "INFLUXDB_HTTP_BIND_ADDRESS="+s.web.Address, "INFLUXDB_BIND_ADDRESS="+s.service.Address,
		"INFLUXDB_REPORTING_DISABLED=true", "INFLUXDB_MONITOR_STORE_ENABLED=false", "INFLUXDB_HTTP_LOG_ENABLED=false",
		"INFLUXDB_DATA_QUERY_LOG_ENABLED=false", "INFLUXDB_LOGGING_LEVEL=error")
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return err
	}
	command, done := s.command, s.done
	go func() { command.Wait(); close(done) }() //nolint:errcheck // how it ended does not matter
	if err := s.ready(); err != nil {
		s.Stop()
		return err
	}
	return nil
}

// ready waits until the server has made its database.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := s.query(ctx, "CREATE DATABASE "+Database)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("influxd ended: %w", err)
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// query runs a statement of InfluxQL.
func (s *Server) query(ctx context.Context, statement string) error {
	body := strings.NewReader(url.Values{"q": {statement}, "db": {Database}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/query", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Close = true
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var said struct {
		Results []struct{ Error string }
	}
	err = json.NewDecoder(answer.Body).Decode(&said)
	switch {
	case answer.StatusCode != http.StatusOK:
		return errors.New(answer.Status)
	case err != nil:
		return err
	case len(said.Results) != 1 || said.Results[0].Error != "":
		return fmt.Errorf("%s: %v", statement, said.Results)
	}
	return nil
}

// Stop kills the server. What it has answered for is in its folder.
func (s *Server) Stop() {
	s.command.Process.Kill() //nolint:errcheck // it may have ended
	<-s.done
}
