package mllp_test

import (
	"bytes"
	"context"
	"fmt"

	"medfleet/gateway/mllp"
)

// keeper puts messages into memory; a true one waits for its disk.
type keeper struct{ kept chan []byte }

func (k keeper) Accept(_ context.Context, _ mllp.Peer, frame []byte) mllp.Receipt {
	message := bytes.Clone(frame)
	return mllp.ReceiptFunc(func(context.Context) mllp.Answer {
		k.kept <- message
		return mllp.Answer{Frame: []byte("MSH|^~\\&|||||||ACK|1|P|2.6\rMSA|AA|17\r")}
	})
}

func (keeper) Refuse(context.Context, mllp.Peer, mllp.Reason, []byte) mllp.Answer {
	return mllp.Answer{}
}

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	k := keeper{make(chan []byte, 1)}
	listener := mllp.NewListener(mllp.Config{Address: "127.0.0.1:0"}, k)
	ln, err := listener.Listen(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- listener.Run(ctx, ln) }()

	client, err := mllp.Dial(ctx, ln.Addr().String(), mllp.ClientConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := client.Send(ctx, []byte("MSH|^~\\&|PUMP||||||ORU^R01|17|P|2.6\rOBX|1|ST|x||on\r"))
	fmt.Println(bytes.Contains(answer, []byte("MSA|AA|17")), err)
	fmt.Println(len(<-k.kept), "bytes kept,", listener.Counters().Messages(), "message")
	_ = client.Close()
	stop()
	fmt.Println(<-ended)
	// Output:
	// true <nil>
	// 51 bytes kept, 1 message
	// <nil>
}
