package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mosquitto is a real broker that can be killed and started again at its address.
type mosquitto struct {
	t                        *testing.T
	command, config, address string
	process                  *exec.Cmd
	log                      bytes.Buffer
}

// startBroker starts one. access are lines of its access list; without any everybody
// may do everything.
func startBroker(t *testing.T, access ...string) *mosquitto {
	t.Helper()
	m := &mosquitto{t: t, command: mosquittoCommand(t), config: filepath.Join(t.TempDir(), "mosquitto.conf"), address: freeAddress(t)}
	_, port, err := net.SplitHostPort(m.address)
	require.NoError(t, err)
	lines := []string{"user root", "allow_anonymous true", "listener " + port + " 127.0.0.1"}
	if len(access) > 0 {
		require.NoError(t, os.WriteFile(m.config+".acl", []byte(strings.Join(access, "\n")+"\n"), 0o600))
		lines = append(lines, "acl_file "+m.config+".acl")
	}
	require.NoError(t, os.WriteFile(m.config, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	m.start()
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("mosquitto:\n%s", tail(m.log.Bytes(), 2000))
		}
	})
	return m
}

func mosquittoCommand(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("MEDFLEET_NOTHING_SKIPPED") != "" {
		t.Fatal("mosquitto is not installed: apt-get install mosquitto")
	}
	t.Skip("mosquitto is not installed: apt-get install mosquitto")
	return ""
}

func (m *mosquitto) start() {
	m.t.Helper()
	m.process = exec.Command(m.command, "-c", m.config)
	m.process.Stdout, m.process.Stderr = &m.log, &m.log
	require.NoError(m.t, m.process.Start())
	require.Eventually(m.t, func() bool {
		c, err := net.Dial("tcp", m.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 20*time.Second, 2*time.Millisecond, "mosquitto does not listen")
}

// kill is kill -9.
func (m *mosquitto) kill() {
	_ = m.process.Process.Kill()
	_ = m.process.Wait()
}
