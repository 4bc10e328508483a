package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/spool"
	"medfleet/spool/memfile"
)

func TestWhoMayNotComeInIsToldEachTimeAndWrittenDownOnceAMinute(t *testing.T) {
	const times = 50
	elsewhere := mllp.Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}}
	w := startWardWith(t, openLog(t, spool.Options{Files: memfile.New()}), openLog(t, spool.Options{Files: memfile.New()}), elsewhere)
	for i := range times {
		conn, err := net.Dial("tcp", w.address)
		require.NoError(t, err)
		s := talk(t, conn)
		s.says(battery(fmt.Sprint(i)))
		require.Equal(t, fmt.Sprintf("AR %d", i), code([]byte(s.hears())))
		conn.Close()
	}
	require.Equal(t, uint64(times), w.counts.Refused.Load())
	require.Eventually(t, func() bool { return w.letters.Stats().Appended > 0 }, soon, time.Millisecond)
	require.Equal(t, uint64(1), w.letters.Stats().Appended)
}

func TestLettersAboutTheDoorAreBounded(t *testing.T) {
	var d doorLetters
	now := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	sender := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 4, byte(n >> 8), byte(n)}) }
	require.True(t, d.due(netip.Addr{}, now), "a crowd")
	for n := range doorNames - 1 {
		require.True(t, d.due(sender(n), now))
		require.False(t, d.due(sender(n), now.Add(doorEvery-1)))
	}
	require.False(t, d.due(sender(doorNames), now), "one too many to remember")
	now = now.Add(doorEvery)
	require.True(t, d.due(sender(0), now), "a minute later")
	require.True(t, d.due(sender(doorNames), now), "there is room again")
	require.Len(t, d.last, 2)
}
