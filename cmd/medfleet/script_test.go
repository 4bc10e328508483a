package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/brokertest"
	"medfleet/processtest"
)

// TestScripts runs what testdata/script tells: the command as a technician meets
// it. Beside testscript's own commands a script has
//
//	status N COMMAND…  run a command that ends with exit code N
//	taken NAME         another program listens on a port; its address is in $NAME
//	await URL          wait until a server answers
//	shows URL PATTERN  wait until what a server answers has this in it
//	broker NAME        a broker that lets everybody do everything; its address is in $NAME
//
// and in its environment addresses that nobody listens on, WEB, WEB2, MQTT and
// HL7, and the folder of the reference configuration, DEPLOY.
func TestScripts(t *testing.T) {
	t.Parallel()
	deploy, err := filepath.Abs("../../deploy")
	require.NoError(t, err)
	broker := func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], brokertest.StartMochi(t).Address())
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"WEB", "WEB2", "MQTT", "HL7"} {
				env.Setenv(name, processtest.FreeAddress(t))
			}
			env.Setenv("DEPLOY", deploy)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "taken": taken, "await": await, "shows": shows, "broker": broker},
	})
}

func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, ts.ReadFile("stderr"))
	}
}

func taken(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		answer, err := http.Get(args[0])
		if err == nil {
			answer.Body.Close()
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not answer within two minutes", args[0])
}

func shows(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	var text []byte
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if answer, err := http.Get(args[0]); err == nil {
			text, _ = io.ReadAll(answer.Body)
			answer.Body.Close()
			if pattern.Match(text) {
				return
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not show %s within two minutes:\n%s", args[0], args[1], text)
}

func TestEveryCommandSaysWhatItIsForAndShowsAnExample(t *testing.T) {
	t.Parallel()
	leaves := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, "%s has no short description", c.CommandPath())
		require.NotContains(t, c.Short, "\n", c.CommandPath())
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() {
			return
		}
		leaves++
		require.Regexp(t, `^  `+c.CommandPath()+`\b`, c.Example, "%s --help shows no example of it", c.CommandPath())
		require.NotNil(t, c.Args, "%s takes any arguments", c.CommandPath())
	}
	walk(newRoot())
	require.GreaterOrEqual(t, leaves, 8)
}

func TestTheReferenceConfigurationNamesEverySection(t *testing.T) {
	t.Setenv("MEDFLEET_EDGE_1_TOKEN", "0123456789abcdef0123")
	name := filepath.Join("..", "..", "deploy", configFile)
	_, err := os.Stat(name)
	require.NoError(t, err)
	f, err := readFile(name)
	require.NoError(t, err)
	require.NotNil(t, f.Gateway)
	require.NotNil(t, f.Collector)
	require.NotEmpty(t, f.API.Gateways)
	require.NotEmpty(t, f.Alerting.Channels)
	require.Equal(t, "0123456789abcdef0123", f.Gateway.Uplink.Token, "the variable is not put in")
	require.Equal(t, f.Gateway.Uplink.Token, f.API.Gateways[0].Token, "the gateway could not write to the collector beside it")
}
