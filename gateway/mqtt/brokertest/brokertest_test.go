package brokertest

import (
	"net"
	"slices"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/processtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect gives what a broker says to a client, and the client if it is let in.
func connect(t *testing.T, address string, change func(*paho.ClientOptions)) (paho.Client, error) {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("tcp://" + address).SetAutoReconnect(false).SetConnectTimeout(patience)
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	token := c.Connect()
	require.True(t, token.WaitTimeout(patience))
	if token.Error() != nil {
		return nil, token.Error()
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c, nil
}

// tell leaves a word with the broker.
func tell(t *testing.T, address, topic string) {
	t.Helper()
	c, err := connect(t, address, nil)
	require.NoError(t, err)
	token := c.Publish(topic, 1, true, "kept")
	require.True(t, token.WaitTimeout(patience))
	require.NoError(t, token.Error())
	c.Disconnect(0)
}

// knows is the topics of which the broker still has a word. It asks with QoS 0: under
// load mochi does not always give a client what it has published itself with QoS 1.
func knows(t *testing.T, address string) (topics []string) {
	t.Helper()
	c, err := connect(t, address, nil)
	require.NoError(t, err)
	heard := make(chan string, 100)
	for _, filter := range []string{"word/#", "end"} {
		require.True(t, c.Subscribe(filter, 0, func(_ paho.Client, m paho.Message) { heard <- m.Topic() }).WaitTimeout(patience))
	}
	require.True(t, c.Publish("end", 0, false, "").WaitTimeout(patience))
	for {
		select {
		case topic := <-heard:
			if topic == "end" {
				c.Disconnect(0)
				return topics
			}
			if !slices.Contains(topics, topic) { // mochi also sends on to a subscriber what was retained just before
				topics = append(topics, topic)
			}
		case <-time.After(patience):
			t.Fatal("the broker does not come to the end")
		}
	}
}

func TestMosquittoKeepsWhatItHasSaved(t *testing.T) {
	m := StartMosquitto(t, Options{})
	address := m.Address()
	tell(t, address, "word/saved")
	m.Save()
	tell(t, address, "word/lost")
	require.ElementsMatch(t, []string{"word/saved", "word/lost"}, knows(t, address))
	m.Kill()
	_, err := net.Dial("tcp", address)
	require.Error(t, err)
	m.Restart()
	require.Equal(t, address, m.Address())
	require.Equal(t, []string{"word/saved"}, knows(t, address), "it was killed")
	tell(t, address, "word/later")
	m.Stop()
	m.Restart()
	require.ElementsMatch(t, []string{"word/saved", "word/later"}, knows(t, address), "it was stopped")
}

func TestMochiForgetsWhatItKnewWhenItIsKilled(t *testing.T) {
	m := StartMochi(t)
	tell(t, m.Address(), "word/lost")
	require.Equal(t, []string{"word/lost"}, knows(t, m.Address()))
	m.Kill()
	_, err := net.Dial("tcp", m.Address())
	require.Error(t, err)
	m.Restart()
	require.Empty(t, knows(t, m.Address()))
}

func TestMosquittoLetsInWhomItKnows(t *testing.T) {
	ours, other := tlstest.New(t), tlstest.New(t)
	m := StartMosquitto(t, Options{Authority: ours, Users: []string{"gateway", "pump"}, Inside: true})
	for name, c := range map[string]struct {
		signed         *tlstest.Authority
		user, password string
		in             bool
	}{
		"gateway":               {ours, "gateway", Password("gateway"), true},
		"pump":                  {ours, "pump", Password("pump"), true},
		"another's password":    {ours, "gateway", Password("pump"), false},
		"nobody":                {ours, "", "", false},
		"another's certificate": {other, "gateway", Password("gateway"), false},
	} {
		t.Run(name, func(t *testing.T) {
			secure := tlsfiles.Client{CAFile: ours.CA()}
			secure.CertFile, secure.KeyFile = c.signed.Issue("client")
			config, err := secure.Config("test", "localhost")
			require.NoError(t, err)
			_, err = connect(t, m.Address(), func(o *paho.ClientOptions) {
				o.Servers[0].Scheme = "ssl"
				o.SetTLSConfig(config).SetUsername(c.user).SetPassword(c.password)
			})
			require.Equal(t, c.in, err == nil, "%v", err)
		})
	}
	_, err := connect(t, m.Inside(), func(o *paho.ClientOptions) { o.SetUsername("pump").SetPassword(Password("pump")) })
	require.NoError(t, err, "without TLS")
	_, err = connect(t, m.Inside(), nil)
	require.Error(t, err, "but not without a password")
}

func TestMosquittoHasAnAccessList(t *testing.T) {
	m := StartMosquitto(t, Options{Access: []string{"topic deny word/secret", "topic readwrite #"}})
	tell(t, m.Address(), "word/open")
	tell(t, m.Address(), "word/secret")
	require.Equal(t, []string{"word/open"}, knows(t, m.Address()))
}

// draws gives addresses in their order, and then others.
func draws(t *testing.T, addresses ...string) (next func() string, drawn *int) {
	drawn = new(int)
	return func() string {
		*drawn++
		if *drawn <= len(addresses) {
			return addresses[*drawn-1]
		}
		return processtest.FreeAddress(t)
	}, drawn
}

func TestMosquittoGoesElsewhereWhereItsPlaceIsTaken(t *testing.T) {
	m := StartMosquitto(t, Options{})
	m.Kill()
	taken, err := net.Listen("tcp", m.Address())
	require.NoError(t, err)
	defer taken.Close()
	next, drawn := draws(t, m.Address())
	require.NoError(t, m.startAt(next))
	require.Equal(t, 2, *drawn)
	require.NotEqual(t, taken.Addr().String(), m.Address())
	tell(t, m.Address(), "word/there")
	require.Equal(t, []string{"word/there"}, knows(t, m.Address()))
}

func TestMosquittoThatCannotStartIsNotTriedAgain(t *testing.T) {
	m := StartMosquitto(t, Options{})
	m.Kill()
	m.options.Settings = []string{"no_such_setting true"}
	next, drawn := draws(t, m.Address())
	require.EqualError(t, m.startAt(next), "mosquitto ended")
	require.Equal(t, 1, *drawn)
	require.Contains(t, string(m.log()), "no_such_setting")
}
