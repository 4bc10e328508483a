package processtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// so many addresses that some would be drawn twice if nobody saw to it.
const many = 500

// holder, set in the environment, makes the test binary another process that holds
// addresses: it prints them and waits until its input ends.
const holder = "MEDFLEET_TEST_HOLDER"

func TestMain(m *testing.M) {
	if os.Getenv(holder) == "" {
		os.Exit(m.Run())
	}
	var held []*Promised
	for range many {
		p, err := Promise()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		held = append(held, p)
		fmt.Println(p.Address)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	for _, p := range held {
		p.Release()
	}
}

func TestNoAddressIsGivenToTwoTestsOfOneProcess(t *testing.T) {
	var all sync.WaitGroup
	held := make([]*Promised, many)
	for i := range held {
		all.Go(func() {
			p, err := Promise()
			if err != nil {
				t.Error(err)
			}
			held[i] = p
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, p := range held {
		require.NotNil(t, p)
		defer p.Release()
		require.False(t, seen[p.Address], "%s twice", p.Address)
		seen[p.Address] = true
		_, port, err := net.SplitHostPort(p.Address)
		require.NoError(t, err)
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, 16_384)
		require.Less(t, n, 32_768, "from here on the system gives ports to anybody")
	}
}

func TestNoAddressIsGivenToTwoProcesses(t *testing.T) {
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holder+"=1")
	input, err := other.StdinPipe()
	require.NoError(t, err)
	output, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	defer func() {
		input.Close()
		require.NoError(t, other.Wait())
	}()
	theirs, lines := map[string]bool{}, bufio.NewScanner(output)
	for len(theirs) < many && lines.Scan() {
		theirs[lines.Text()] = true
	}
	require.Len(t, theirs, many)
	for range many {
		require.NotContains(t, theirs, FreeAddress(t))
	}
}

func TestAnAddressIsFreeForWhoHasItAndAfterwardsForAll(t *testing.T) {
	var address string
	t.Run("a test", func(t *testing.T) {
		address = FreeAddress(t)
		for range 2 { // a server, killed and started again
			l, err := net.Listen("tcp", address)
			require.NoError(t, err)
			require.NoError(t, l.Close())
		}
		_, err := promise(address)
		require.Error(t, err, "it is promised")
	})
	requireFree(t, address)
}

// requireFree waits until an address can be promised: another process may have drawn
// it meanwhile.
func requireFree(t *testing.T, address string) {
	t.Helper()
	require.Eventually(t, func() bool {
		p, err := promise(address)
		if err == nil {
			p.Release()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
}

func TestAnAddressWhereSomebodyListensIsNotGiven(t *testing.T) {
	p, err := Promise()
	require.NoError(t, err)
	l, err := net.Listen("tcp", p.Address)
	require.NoError(t, err)
	defer l.Close()
	p.Release()
	_, err = promise(p.Address)
	require.Error(t, err)
	require.NoError(t, l.Close())
	requireFree(t, p.Address) // its token was not kept
}
