// Package brokertest starts brokers for tests, which are killed and started again
// where they were: a real mosquitto, and one of the embedded library's. Only tests use
// it.
package brokertest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/processtest"
)

const (
	install  = "apt-get install mosquitto"
	patience = 20 * time.Second
	attempts = 5
)

// Mosquitto is a real broker. What it has acknowledged it keeps in memory, and on disk
// when it is told to save and when it is stopped.
type Mosquitto struct {
	t               testing.TB
	program, folder string
	address, inside string
	options         Options
	command         *exec.Cmd
	ended           chan struct{} // closed when the process has ended
}

// StartMosquitto starts a broker that ends with the test. Where mosquitto is not
// installed the test is skipped.
func StartMosquitto(t testing.TB, o Options) *Mosquitto {
	t.Helper()
	m := &Mosquitto{t: t, program: processtest.Program(t, "mosquitto", install), folder: t.TempDir(), options: o}
	t.Cleanup(func() {
		m.Kill()
		if t.Failed() {
			said := m.log()
			t.Logf("mosquitto:\n%s", said[max(0, len(said)-4000):])
		}
	})
	m.writePasswords()
	require.NoError(t, m.startAt(func() string { return processtest.FreeAddress(t) }))
	return m
}

// startAt starts the broker at an address that it is given, and at another when
// somebody has taken that since.
func (m *Mosquitto) startAt(next func() string) (err error) {
	for range attempts {
		m.address, m.inside = next(), ""
		if m.options.Inside {
			m.inside = next()
		}
		m.configure()
		if err = m.run(); !errors.Is(err, errTaken) {
			return err
		}
	}
	return err
}

// Address is where the broker listens, as host:port; it is the same after Restart.
func (m *Mosquitto) Address() string { return m.address }

// Inside is where it listens without TLS; see Options.
func (m *Mosquitto) Inside() string { return m.inside }

// Restart starts the broker again when it has been killed or stopped.
func (m *Mosquitto) Restart() {
	m.t.Helper()
	require.NoError(m.t, m.run())
}

// Kill is kill -9.
func (m *Mosquitto) Kill() {
	if m.ended != nil {
		_ = m.command.Process.Kill()
		<-m.ended
	}
}

// Stop ends the broker as its service does: it saves what it has acknowledged.
func (m *Mosquitto) Stop() {
	m.t.Helper()
	require.NoError(m.t, m.command.Process.Signal(syscall.SIGTERM))
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Fatal("mosquitto does not end")
	}
}

// Save has the broker write its store, as it does every so often where it is a
// service, and waits for it.
func (m *Mosquitto) Save() {
	m.t.Helper()
	store := m.path("mosquitto.db")
	_ = os.Remove(store)
	require.NoError(m.t, m.command.Process.Signal(syscall.SIGUSR1))
	require.Eventually(m.t, func() bool {
		_, err := os.Stat(store)
		return err == nil
	}, patience, time.Millisecond, "mosquitto does not save")
}

func (m *Mosquitto) path(name string) string { return filepath.Join(m.folder, name) }

// errTaken: somebody else listens at the address.
var errTaken = errors.New("address already in use")

// run starts the process and waits until it listens.
func (m *Mosquitto) run() error {
	log, err := os.OpenFile(m.path("log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	before := len(m.log())
	command, ended := exec.Command(m.program, "-c", m.path("mosquitto.conf")), make(chan struct{})
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // however this process ends
	if err := command.Start(); err != nil {
		return err
	}
	m.command, m.ended = command, ended
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	return m.listens(before)
}

// listens waits until the broker says so: at its address somebody else may listen.
func (m *Mosquitto) listens(before int) error {
	late := time.After(patience)
	for {
		select {
		case <-m.ended:
			if bytes.Contains(m.log()[before:], []byte("Address already in use")) {
				return errTaken
			}
			return errors.New("mosquitto ended")
		case <-late:
			return errors.New("mosquitto does not listen")
		case <-time.After(2 * time.Millisecond):
			if bytes.Contains(m.log()[before:], []byte(" running\n")) {
				return nil
			}
		}
	}
}

// log is what the broker has said so far.
func (m *Mosquitto) log() []byte {
	said, _ := os.ReadFile(m.path("log"))
	return said
}
