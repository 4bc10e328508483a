package spool_test

import (
	"context"
	"fmt"
	"os"

	"medfleet/spool"
)

// A sender is answered once its record is durable; the reader passes records
// on and commits what was taken.
func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	events, err := spool.Open(dir, spool.Options{Full: spool.Block})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer events.Close()
	last, err := events.Append(ctx, []byte("pump-1 occlusion begins"), []byte("pump-1 occlusion ends"))
	fmt.Println("acknowledge up to", last, err)

	uplink, err := events.Reader("uplink")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer uplink.Close()
	records, gap, err := uplink.Read(ctx, 100, 64<<10)
	for _, r := range records {
		fmt.Println(r.Sequence, string(r.Payload))
	}
	fmt.Println(gap, err)
	fmt.Println(uplink.Commit(last))
	// Output:
	// acknowledge up to 2 <nil>
	// 1 pump-1 occlusion begins
	// 2 pump-1 occlusion ends
	// <nil> <nil>
	// <nil>
}
