package brokertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/processtest"
)

// Options are whom a mosquitto lets in. By default it lets everybody in and do
// everything, and its limits are such that no test meets them.
type Options struct {
	Authority *tlstest.Authority // the listener has TLS, and wants a certificate that this one signed
	Inside    bool               // one more listener, without TLS
	Users     []string           // only these come in, each with its Password
	Access    []string           // lines of the access list
	Settings  []string           // more lines of the configuration, for its first listener or for all
}

// Password is what a user shows.
func Password(user string) string { return "s3cret-" + user }

func (m *Mosquitto) writePasswords() {
	m.t.Helper()
	if len(m.options.Users) == 0 {
		return
	}
	program := processtest.Program(m.t, "mosquitto_passwd", install)
	require.NoError(m.t, os.WriteFile(m.path("passwords"), nil, 0o600))
	for _, user := range m.options.Users {
		out, err := exec.Command(program, "-b", m.path("passwords"), user, Password(user)).CombinedOutput()
		require.NoError(m.t, err, "%s", out)
	}
}

// configure writes the configuration, and the files that it names.
func (m *Mosquitto) configure() {
	m.t.Helper()
	o := m.options
	lines := []string{
		"user root", // else it may not write into the test's folder
		"persistence true", "persistence_location " + m.folder + "/", "autosave_interval 0",
		"max_inflight_messages 1000", "max_queued_messages 100000",
		fmt.Sprint("allow_anonymous ", len(o.Users) == 0),
	}
	if len(o.Users) > 0 {
		lines = append(lines, "password_file "+m.path("passwords"))
	}
	if len(o.Access) > 0 {
		m.write("access", o.Access)
		lines = append(lines, "acl_file "+m.path("access"))
	}
	lines = append(lines, m.listener(m.address))
	if o.Authority != nil {
		cert, key := o.Authority.Issue("broker")
		lines = append(lines, "cafile "+o.Authority.CA(), "certfile "+cert, "keyfile "+key, "require_certificate true")
	}
	lines = append(lines, o.Settings...)
	if o.Inside {
		lines = append(lines, m.listener(m.inside))
	}
	m.write("mosquitto.conf", lines)
}

func (m *Mosquitto) listener(address string) string {
	host, port, err := net.SplitHostPort(address)
	require.NoError(m.t, err)
	return "listener " + port + " " + host
}

func (m *Mosquitto) write(name string, lines []string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(m.path(name), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}
